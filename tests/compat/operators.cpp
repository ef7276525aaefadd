// Element-wise operators and reductions as a program for libtorch calls them: functions and methods, overloads, tensors
// and numbers, keyword-like arguments, in-place forms, result dtypes.
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include <backflow/tests/compat/torch_api.h>

using torch::Tensor;

/// Prints the shape and the elements.
void print(const char* what, const Tensor& y) {
  std::printf("[");
  for (const auto size : y.sizes()) {
    std::printf(" %d", static_cast<int>(size));
  }
  std::printf(" ] ");
  show(what, y);
}

void unary(const Tensor& x, const Tensor& p) {
  const std::vector<std::pair<const char*, Tensor>> results = {{"neg", -x},
                                                               {"abs", x.abs()},
                                                               {"exp", torch::exp(x)},
                                                               {"expm1", x.expm1()},
                                                               {"log", p.log()},
                                                               {"log1p", torch::log1p(p)},
                                                               {"log2", torch::log2(p)},
                                                               {"log10", p.log10()},
                                                               {"sqrt", p.sqrt()},
                                                               {"rsqrt", torch::rsqrt(p)},
                                                               {"reciprocal", p.reciprocal()},
                                                               {"square", x.square()},
                                                               {"sin", x.sin()},
                                                               {"cos", torch::cos(x)},
                                                               {"tan", x.tan()},
                                                               {"asin", (x / 3).asin()},
                                                               {"acos", torch::acos(x / 3)},
                                                               {"atan", x.atan()},
                                                               {"sinh", x.sinh()},
                                                               {"cosh", torch::cosh(x)},
                                                               {"tanh", x.tanh()},
                                                               {"sigmoid", torch::sigmoid(x)},
                                                               {"logit", torch::logit(p / 4)},
                                                               {"logit_eps", (p / 2).logit(0.2)},
                                                               {"erf", torch::erf(x)},
                                                               {"relu", torch::relu(x)},
                                                               {"relu6", torch::relu6(x * 5)},
                                                               {"leaky_relu", torch::leaky_relu(x, 0.1)},
                                                               {"elu", torch::elu(x)},
                                                               {"elu_alpha", torch::elu(x, 0.5)},
                                                               {"selu", torch::selu(x)},
                                                               {"gelu", torch::gelu(x)},
                                                               {"gelu_tanh", torch::gelu(x, "tanh")},
                                                               {"silu", torch::silu(x)},
                                                               {"mish", torch::mish(x)},
                                                               {"softplus", torch::softplus(x)},
                                                               {"softplus_beta", torch::softplus(x, 2, 1)},
                                                               {"hardtanh", torch::hardtanh(x)},
                                                               {"hardtanh_bounds", torch::hardtanh(x, -0.5, 0.75)},
                                                               {"hardsigmoid", torch::hardsigmoid(x)},
                                                               {"hardswish", torch::hardswish(x)},
                                                               {"log_sigmoid", torch::log_sigmoid(x)},
                                                               {"floor", x.floor()},
                                                               {"ceil", torch::ceil(x)},
                                                               {"round", (x * 2).round()},
                                                               {"trunc", x.trunc()},
                                                               {"frac", torch::frac(x)},
                                                               {"sign", x.sign()},
                                                               {"clamp", x.clamp(-1, 1)},
                                                               {"clamp_one", torch::clamp(x, -1)},
                                                               {"clamp_min", x.clamp_min(0.5)},
                                                               {"clamp_max", x.clamp_max(0.5)}};
  for (const auto& [name, y] : results) {
    print(name, y);
  }
  const Tensor odd = torch::tensor({0.0F, std::numeric_limits<float>::infinity(), std::nanf("")});
  print("isnan", odd.isnan());
  print("isinf", torch::isinf(odd));
  print("isfinite", odd.isfinite());
  print("logical_not", torch::logical_not(odd));
  Tensor y = x.clone();
  y.exp_().sqrt_().neg_().clamp_(-2, 0).abs_();
  print("in place", y);
}

void binary(const Tensor& x, const Tensor& w) {
  const Tensor i = torch::tensor({-7, 7, 9});
  const Tensor k = torch::tensor({2, -2, 4});
  const std::vector<std::pair<const char*, Tensor>> results = {{"add", torch::add(x, w, 2)},
                                                               {"sub", x.sub(w, 0.5)},
                                                               {"rsub", 1 - x},
                                                               {"mul", 2 * x * w},
                                                               {"div", x / w},
                                                               {"div_floor", torch::div(x, w, "floor")},
                                                               {"div_trunc", x.div(0.3, "trunc")},
                                                               {"int_div", i / k},
                                                               {"int_floor", i.div(k, "floor")},
                                                               {"fmod", x.fmod(0.5)},
                                                               {"fmod_tensor", torch::fmod(i, k)},
                                                               {"remainder", i % k},
                                                               {"remainder_number", torch::remainder(i, 4)},
                                                               {"floor_divide", torch::floor_divide(i, 4)},
                                                               {"pow", w.pow(x)},
                                                               {"pow_number", torch::pow(x, 3)},
                                                               {"pow_base", torch::pow(2, x)},
                                                               {"int_pow", k.pow(2)},
                                                               {"maximum", torch::maximum(x, w)},
                                                               {"minimum", x.minimum(w)},
                                                               {"max_of_two", torch::max(x, w)},
                                                               {"atan2", torch::atan2(x, w)},
                                                               {"hypot", torch::hypot(x, w)},
                                                               {"eq", x == x},
                                                               {"ne", x != w},
                                                               {"lt", x < 0.5},
                                                               {"le", x.le(w)},
                                                               {"gt", torch::gt(x, w)},
                                                               {"ge", x >= w},
                                                               {"and", (x > 0) & (x < 1)},
                                                               {"or", (x > 0) | (w > 1)},
                                                               {"logical_and", torch::logical_and(x, w)},
                                                               {"logical_or", x.logical_or(w)},
                                                               {"logical_xor", x.logical_xor(w)},
                                                               {"where", torch::where(x > 0, x, w)},
                                                               {"where_number", torch::where(x > 0, x, 0.0)},
                                                               {"where_method", x.where(x > 0, w)},
                                                               {"lerp", torch::lerp(x, w, 0.25)},
                                                               {"lerp_tensor", x.lerp(w, w)},
                                                               {"addcmul", torch::addcmul(x, x, w, 0.5)},
                                                               {"addcdiv", x.addcdiv(x, w)},
                                                               {"xlogy", torch::xlogy(x, w)}};
  for (const auto& [name, y] : results) {
    print(name, y);
  }
  Tensor y = x.clone();
  y += w;
  y *= 2;
  y.sub_(1).div_(w).addcmul_(x, w, 0.5).lerp_(w, 0.5).pow_(2).fmod_(3);
  print("in place", y);
}

void dtypes() {
  const Tensor i = torch::ones({2}, torch::kInt32);
  const Tensor b = torch::ones({2}, torch::kBool);
  const Tensor h = torch::ones({2}, torch::kBFloat16);
  fact("int32 + int64 number is int32", (i + 1).scalar_type() == torch::kInt32);
  fact("int32 + fraction is float32", (i + 0.5).scalar_type() == torch::kFloat32);
  fact("bool + number is int64", (b + 1).scalar_type() == torch::kInt64);
  fact("bool + bool is bool", (b + b).scalar_type() == torch::kBool);
  fact("int32 / int32 is float32", (i / i).scalar_type() == torch::kFloat32);
  fact("bfloat16 * float64 number is bfloat16",
       (h * torch::ones({}, torch::kFloat64)).scalar_type() == torch::kBFloat16);
  fact("bfloat16 + float32 is float32", (h + torch::ones({2})).scalar_type() == torch::kFloat32);
  fact("a sum of bool is int64", b.sum().scalar_type() == torch::kInt64);
  fact("sin of int32 is float32", i.sin().scalar_type() == torch::kFloat32);
  fact("a comparison is bool", (i > 0).scalar_type() == torch::kBool);
  fact("argmax is int64", i.argmax().scalar_type() == torch::kInt64);
  fact("a mean of bfloat16 is bfloat16", h.mean().scalar_type() == torch::kBFloat16);
  throws("a mean of integers", [&] { i.mean(); });
  throws("minus of bool", [&] { -b; });
  throws("a condition that is no bool", [&] { torch::where(i, i, i); });
  throws("integers by zero", [&] { i.remainder(0); });
}

void reductions(const Tensor& x) {
  const std::vector<std::pair<const char*, Tensor>> results = {
      {"sum", x.sum()},
      {"sum_dim", x.sum(1)},
      {"sum_dims", x.sum({1, 2}, true)},
      {"sum_dtype", x.sum(torch::kDouble)},
      {"mean", x.mean()},
      {"mean_dim", x.mean({-1})},
      {"var", x.var()},
      {"var_dim", x.var(1)},
      {"var_biased", x.var({1}, /*unbiased=*/false, /*keepdim=*/true)},
      {"std", torch::std(x)},
      {"std_dim", x.std(0, false)},
      {"prod", x.prod()},
      {"prod_dim", x.prod(1, true)},
      {"max", x.max()},
      {"min", torch::min(x)},
      {"amax", x.amax({0, 1})},
      {"amin", x.amin(2, true)},
      {"argmax", x.argmax()},
      {"argmax_dim", x.argmax(1)},
      {"argmin_dim", torch::argmin(x, -1, true)},
      {"logsumexp", x.logsumexp(1)},
      {"logsumexp_dims", x.logsumexp({1, 2}, true)},
      {"norm", x.norm()},
      {"norm_1", x.norm(1)},
      {"norm_dim", x.norm(2, {1}, true)},
      {"any", (x > 0.9).any()},
      {"any_dim", (x > 0.5).any(1)},
      {"all", (x > -9).all()},
      {"all_dim", (x > 0).all(2, true)},
      {"cumsum", x.cumsum(1)},
      {"cumprod", torch::cumprod(x, -1)},
      {"softmax", x.softmax(1)},
      {"softmax_last", torch::softmax(x, -1)},
      {"log_softmax", torch::log_softmax(x, 0)}};
  for (const auto& [name, y] : results) {
    print(name, y);
  }
  const auto [largest, where_largest] = x.max(1);
  print("max_dim", largest);
  print("max_dim_indices", where_largest);
  print("min_dim", std::get<0>(torch::min(x, -1, true)));
  const auto [sorted, order] = x.sort(1, /*descending=*/true);
  print("sort", sorted);
  print("sort_indices", order);
  print("argsort", x.argsort());
  const auto [top, top_indices] = x.topk(2, 1);
  print("topk", top);
  print("topk_indices", top_indices);
}

int main() {
  const Tensor x = (torch::arange(12) * 0.3125 - 1.8125).reshape({3, 4});
  const Tensor p = (torch::arange(12) * 0.1875 + 0.375).view({3, 4});
  unary(x, p);
  binary(x, p);
  dtypes();
  reductions(torch::sin(torch::arange(24, torch::kFloat32) * 1.7).view({2, 3, 4}));
}
