// Functions of one operand, other than those of samples_elementwise.cpp.
#include <algorithm>
#include <cmath>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples_of_functions.h>

namespace backflow::test {
namespace {

void add_exponentials(Samples& all) {
  add_function(all, {.op = "expm1",
                     .call = [](const Tensor& x) { return expm1(x); },
                     .f = [](double a) -> double { return std::expm1(a); },
                     .torch = "torch.expm1(x[0])",
                     .inplace = [](const Tensor& x) { x.expm1_(); }});
  add_function(all, {.op = "exp2",
                     .call = [](const Tensor& x) { return exp2(x); },
                     .f = [](double a) -> double { return std::exp2(a); },
                     .torch = "torch.exp2(x[0])",
                     .inplace = [](const Tensor& x) { x.exp2_(); }});
  add_function(all, {.op = "log1p",
                     .call = [](const Tensor& x) { return log1p(x); },
                     .f = [](double a) -> double { return std::log1p(a); },
                     .torch = "torch.log1p(x[0])",
                     .inplace = [](const Tensor& x) { x.log1p_(); },
                     .low = -0.7,
                     .high = 3});
  add_function(all, {.op = "log2",
                     .call = [](const Tensor& x) { return log2(x); },
                     .f = [](double a) -> double { return std::log2(a); },
                     .torch = "torch.log2(x[0])",
                     .inplace = [](const Tensor& x) { x.log2_(); },
                     .low = 0.5,
                     .high = 3});
  add_function(all, {.op = "log10",
                     .call = [](const Tensor& x) { return log10(x); },
                     .f = [](double a) -> double { return std::log10(a); },
                     .torch = "torch.log10(x[0])",
                     .inplace = [](const Tensor& x) { x.log10_(); },
                     .low = 0.5,
                     .high = 3});
  add_function(all, {.op = "logit",
                     .call = [](const Tensor& x) { return logit(x); },
                     .f = [](double a) -> double { return std::log(a / (1 - a)); },
                     .torch = "torch.logit(x[0])",
                     .inplace = [](const Tensor& x) { x.logit_(); },
                     .low = 0.15,
                     .high = 0.85,
                     .tolerance = 2});
  add_function(all, {.op = "logit",
                     .call = [](const Tensor& x) { return logit(x, 0.3); },
                     .f = [](double a) -> double {
                       return std::log(std::min(std::max(a, 0.3), 1 - 0.3) / (1 - std::min(std::max(a, 0.3), 1 - 0.3)));
                     },
                     .torch = "torch.logit(x[0], 0.3)",
                     .inplace = [](const Tensor& x) { x.logit_(0.3); },
                     .low = -0.5,
                     .high = 1.5,
                     .label = "eps_",
                     .tolerance = 2});
}

void add_algebraic(Samples& all) {
  add_function(all, {.op = "rsqrt",
                     .call = [](const Tensor& x) { return rsqrt(x); },
                     .f = [](double a) -> double { return 1 / std::sqrt(a); },
                     .torch = "torch.rsqrt(x[0])",
                     .inplace = [](const Tensor& x) { x.rsqrt_(); },
                     .low = 0.5,
                     .high = 3,
                     .tolerance = 2});
  add_function(all, {.op = "reciprocal",
                     .call = [](const Tensor& x) { return reciprocal(x); },
                     .f = [](double a) -> double { return 1 / a; },
                     .torch = "torch.reciprocal(x[0])",
                     .inplace = [](const Tensor& x) { x.reciprocal_(); },
                     .low = 0.4,
                     .high = 3,
                     .tolerance = 4});
}

void add_trigonometry(Samples& all) {
  add_function(all, {.op = "tan",
                     .call = [](const Tensor& x) { return tan(x); },
                     .f = [](double a) -> double { return std::tan(a); },
                     .torch = "torch.tan(x[0])",
                     .inplace = [](const Tensor& x) { x.tan_(); },
                     .low = -1.2,
                     .high = 1.2,
                     .tolerance = 4});
  add_function(all, {.op = "asin",
                     .call = [](const Tensor& x) { return asin(x); },
                     .f = [](double a) -> double { return std::asin(a); },
                     .torch = "torch.asin(x[0])",
                     .inplace = [](const Tensor& x) { x.asin_(); },
                     .low = -0.9,
                     .high = 0.9,
                     .tolerance = 2});
  add_function(all, {.op = "acos",
                     .call = [](const Tensor& x) { return acos(x); },
                     .f = [](double a) -> double { return std::acos(a); },
                     .torch = "torch.acos(x[0])",
                     .inplace = [](const Tensor& x) { x.acos_(); },
                     .low = -0.9,
                     .high = 0.9,
                     .tolerance = 2});
  add_function(all, {.op = "atan",
                     .call = [](const Tensor& x) { return atan(x); },
                     .f = [](double a) -> double { return std::atan(a); },
                     .torch = "torch.atan(x[0])",
                     .inplace = [](const Tensor& x) { x.atan_(); },
                     .low = -3,
                     .high = 3});
  add_function(all, {.op = "sinh",
                     .call = [](const Tensor& x) { return sinh(x); },
                     .f = [](double a) -> double { return std::sinh(a); },
                     .torch = "torch.sinh(x[0])",
                     .inplace = [](const Tensor& x) { x.sinh_(); }});
  add_function(all, {.op = "cosh",
                     .call = [](const Tensor& x) { return cosh(x); },
                     .f = [](double a) -> double { return std::cosh(a); },
                     .torch = "torch.cosh(x[0])",
                     .inplace = [](const Tensor& x) { x.cosh_(); }});
  add_function(all, {.op = "asinh",
                     .call = [](const Tensor& x) { return asinh(x); },
                     .f = [](double a) -> double { return std::asinh(a); },
                     .torch = "torch.asinh(x[0])",
                     .inplace = [](const Tensor& x) { x.asinh_(); },
                     .low = -3,
                     .high = 3});
  add_function(all, {.op = "acosh",
                     .call = [](const Tensor& x) { return acosh(x); },
                     .f = [](double a) -> double { return std::acosh(a); },
                     .torch = "torch.acosh(x[0])",
                     .inplace = [](const Tensor& x) { x.acosh_(); },
                     .low = 1.2,
                     .high = 4,
                     .tolerance = 2});
  add_function(all, {.op = "atanh",
                     .call = [](const Tensor& x) { return atanh(x); },
                     .f = [](double a) -> double { return std::atanh(a); },
                     .torch = "torch.atanh(x[0])",
                     .inplace = [](const Tensor& x) { x.atanh_(); },
                     .low = -0.8,
                     .high = 0.8,
                     .tolerance = 2});
  add_function(all, {.op = "erf",
                     .call = [](const Tensor& x) { return erf(x); },
                     .f = [](double a) -> double { return std::erf(a); },
                     .torch = "torch.erf(x[0])",
                     .inplace = [](const Tensor& x) { x.erf_(); }});
  add_function(all, {.op = "erfc",
                     .call = [](const Tensor& x) { return erfc(x); },
                     .f = [](double a) -> double { return std::erfc(a); },
                     .torch = "torch.erfc(x[0])",
                     .inplace = [](const Tensor& x) { x.erfc_(); }});
}

void add_rounding(Samples& all) {
  add_function(all, {.op = "floor",
                     .call = [](const Tensor& x) { return floor(x); },
                     .f = [](double a) -> double { return std::floor(a); },
                     .torch = "torch.floor(x[0])",
                     .inplace = [](const Tensor& x) { x.floor_(); },
                     .low = -5,
                     .high = 5});
  add_function(all, {.op = "ceil",
                     .call = [](const Tensor& x) { return ceil(x); },
                     .f = [](double a) -> double { return std::ceil(a); },
                     .torch = "torch.ceil(x[0])",
                     .inplace = [](const Tensor& x) { x.ceil_(); },
                     .low = -5,
                     .high = 5});
  add_function(all, {.op = "round",
                     .call = [](const Tensor& x) { return round(x); },
                     .f = [](double a) -> double { return std::nearbyint(a); },
                     .torch = "torch.round(x[0])",
                     .inplace = [](const Tensor& x) { x.round_(); },
                     .low = -5,
                     .high = 5});
  add_function(all, {.op = "round",
                     .call = [](const Tensor& x) { return round(x, 1); },
                     .f = [](double a) -> double { return std::nearbyint(a * 10) / 10; },
                     .torch = "torch.round(x[0], decimals=1)",
                     .inplace = [](const Tensor& x) { x.round_(1); },
                     .low = -5,
                     .high = 5,
                     .label = "decimals_"});
  add_function(all, {.op = "round",
                     .call = [](const Tensor& x) { return round(x, -1); },
                     .f = [](double a) -> double { return std::nearbyint(a / 10) * 10; },
                     .torch = "torch.round(x[0], decimals=-1)",
                     .inplace = [](const Tensor& x) { x.round_(-1); },
                     .low = -80,
                     .high = 80,
                     .label = "tens_"});
  add_function(all, {.op = "trunc",
                     .call = [](const Tensor& x) { return trunc(x); },
                     .f = [](double a) -> double { return std::trunc(a); },
                     .torch = "torch.trunc(x[0])",
                     .inplace = [](const Tensor& x) { x.trunc_(); },
                     .low = -5,
                     .high = 5});
  add_function(all, {.op = "frac",
                     .call = [](const Tensor& x) { return frac(x); },
                     .f = [](double a) -> double { return a - std::trunc(a); },
                     .torch = "torch.frac(x[0])",
                     .inplace = [](const Tensor& x) { x.frac_(); },
                     .low = -5,
                     .high = 5});
}

void add_predicates(Samples& all) {
  add_function(all, {.op = "isnan",
                     .call = [](const Tensor& x) { return isnan(log(x)); },
                     .f = [](double a) -> double { return a < 0; },
                     .torch = "torch.isnan(torch.log(x[0]))",
                     .differentiable = false});
  add_function(all, {.op = "isinf",
                     .call = [](const Tensor& x) { return isinf(log(sign(x) + 1)); },
                     .f = [](double a) -> double { return a < 0; },
                     .torch = "torch.isinf(torch.log(torch.sign(x[0]) + 1))",
                     .differentiable = false});
  add_function(all, {.op = "isfinite",
                     .call = [](const Tensor& x) { return isfinite(log(x)); },
                     .f = [](double a) -> double { return a > 0; },
                     .torch = "torch.isfinite(torch.log(x[0]))",
                     .differentiable = false});
  add_function(all, {.op = "logical_not",
                     .call = [](const Tensor& x) { return logical_not(sign(x) + 1); },
                     .f = [](double a) -> double { return a < 0; },
                     .torch = "torch.logical_not(torch.sign(x[0]) + 1)",
                     .differentiable = false});
  add_function(all, {.op = "logical_not",
                     .call = [](const Tensor& x) { return logical_not(x).to(x.scalar_type()); },
                     .f = [](double) -> double { return 0; },
                     .torch = "torch.logical_not(x[0]).to(x[0].dtype)",
                     .inplace = [](const Tensor& x) { x.logical_not_(); },
                     .low = 1,
                     .high = 2,
                     .label = "inplace_",
                     .differentiable = false});
}

}  // namespace

Samples unary_samples() {
  Samples all;
  add_exponentials(all);
  add_algebraic(all);
  add_trigonometry(all);
  add_rounding(all);
  add_predicates(all);
  return all;
}

}  // namespace backflow::test
