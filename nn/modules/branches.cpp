#include <backflow/nn/modules/branches.h>

#include <functional>
#include <ostream>
#include <string>

#include <backflow/nn/shape_observer.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/parallel.h>

namespace backflow::nn {
namespace {

constexpr const char* kNoBranches = "branches: no branches: need at least one";

}  // namespace

void BranchesImpl::push_back(AnyModule branch) {
  register_module(std::to_string(size()), branch.ptr());
  branches_.push_back(std::move(branch));
}

std::shared_ptr<Module> BranchesImpl::ptr(std::size_t index) const {
  check(index < size(), class_name(), ": branch ", index, " of ", size(), ": need a smaller number");
  return branches_[index].ptr();
}

Tensor BranchesImpl::forward(const Tensor& input) const {
  check(!is_empty(), kNoBranches);
  std::vector<std::function<Tensor()>> closures;
  for (const AnyModule& branch : branches_) {
    closures.emplace_back([&] { return branch.forward(input); });
  }
  const std::vector<Tensor> results = parallel(closures);
  DimVector shape(results[0].sizes());
  for (std::size_t i = 1; i < results.size(); ++i) {
    add_shape(shape, results[i].sizes(), i);
  }
  if (options.combine() == kBranchConcat) {
    return cat(results, options.dim());
  }
  Tensor total = results[0];
  for (std::size_t i = 1; i < results.size(); ++i) {
    total = total + results[i];
  }
  return total;
}

void BranchesImpl::add_shape(DimVector& all, IntArrayRef shape, std::size_t index) const {
  if (options.combine() == kBranchSum) {
    check(shape == IntArrayRef(all), "branches: branch ", index, " gives shape ", shape, ", those before it ", all,
          ": need one shape for a sum");
    return;
  }
  const std::size_t dim = wrap_dim("branches", options.dim(), all.size());
  DimVector wanted = all;
  if (shape.size() == all.size()) {
    wanted[dim] = shape[dim];
  }
  check(shape == IntArrayRef(wanted), "branches: branch ", index, " gives shape ", shape, ", those before it ", all,
        ": need shapes that differ in dimension ", options.dim(), " alone");
  all[dim] += shape[dim];
}

DimVector BranchesImpl::output_shape(IntArrayRef input) const {
  check(!is_empty(), kNoBranches);
  DimVector shape;
  std::size_t index = 0;
  for (const auto& child : children_) {
    const DimVector result = output_shape_of(child.key(), *child.value(), input);
    if (index == 0) {
      shape = result;
      if (options.combine() == kBranchConcat) {
        wrap_dim("branches", options.dim(), shape.size());
      }
    } else {
      add_shape(shape, result, index);
    }
    ++index;
  }
  return shape;
}

void BranchesImpl::pretty_print(std::ostream& stream) const {
  stream << class_name() << (options.combine() == kBranchSum ? "(combine=sum)" : "(combine=concat, dim=");
  if (options.combine() == kBranchConcat) {
    stream << options.dim() << ')';
  }
}

}  // namespace backflow::nn
