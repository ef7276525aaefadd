#include <backflow/ops/losses/loss_internal.h>

namespace backflow {
namespace detail {

void check_reduction(const char* where, std::int64_t reduction) {
  check(reduction >= Reduction::None && reduction <= Reduction::Sum, where, ": reduction ", reduction,
        ": need Reduction::None, Mean or Sum");
}

void check_pair(const char* where, const Tensor& x, const Tensor& target) {
  check(x.defined() && target.defined() && x.sizes() == target.sizes() && x.scalar_type() == target.scalar_type() &&
            x.is_floating_point(),
        where, ": input ", describe(x), ", target ", describe(target), ": need one shape and one floating-point dtype");
}

void check_weight(const char* where, const char* name, const Tensor& weight, const Tensor& x) {
  const bool fits = !weight.defined() || (weight.scalar_type() == x.scalar_type() && weight.dim() <= x.dim() &&
                                          broadcast_shapes(where, weight.sizes(), x.sizes()) == DimVector(x.sizes()));
  check(fits, where, ": ", name, " ", describe(weight), ", input ", describe(x),
        ": need its dtype and a shape that broadcasts to its own");
}

void check_constant(const char* where, const char* name, bool wants_gradient) {
  check(!wants_gradient, where, ": ", name, " requires a gradient: need one that does not; detach() gives it");
}

}  // namespace detail

Tensor reduce(const char* where, const Tensor& losses, std::int64_t reduction) {
  detail::check_reduction(where, reduction);
  if (reduction == Reduction::None) {
    return losses;
  }
  return reduction == Reduction::Mean ? mean(losses) : sum(losses);
}

}  // namespace backflow
