#include <backflow/distributed/buckets/buckets.h>

#include <cstring>
#include <utility>

#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tensor/gradient_ops.h>

namespace backflow::distributed {
namespace {

void clear(const Tensor& x) {
  if (x.numel() > 0) {
    std::memset(x.mutable_data_ptr(), 0, x.nbytes());
  }
}

void copy(const Tensor& to, const Tensor& from) {
  if (from.is_contiguous() && !to.impl().storage->may_be_blocked()) {
    if (from.numel() > 0) {
      std::memmove(to.mutable_data_ptr(), from.const_data_ptr(),
                   to.nbytes());  // it may be another handle of the same place
    }
  } else {
    gradient_ops().copy_(to, from);
  }
}

}  // namespace

Bucket::Bucket(BucketPlan plan, std::span<const Tensor> parameters, Tensor memory)
    : plan_(std::move(plan)), flat_(std::move(memory)), reduced_(plan_.slots.size(), false) {
  if (!flat_.defined()) {
    flat_ = empty_tensor(plan_.numel, plan_.dtype);
    clear(flat_);
  }
  places_.resize(plan_.slots.size());
  for (const BucketSlot& slot : plan_.slots) {
    parameters_.push_back(parameters[slot.parameter]);
    place(parameters_.size() - 1);
  }
}

Bucket::~Bucket() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    AutogradMeta& meta = parameters_[i].impl().meta();
    if (meta.grad_buffer.defined() && meta.grad_buffer.is_same(places_[i])) {
      meta.grad_buffer = Tensor();
    }
  }
}

/// The elements of slot `i` in the order in which they lie.
Tensor Bucket::elements(std::size_t i) const {
  return view_of(flat_, {plan_.slots[i].numel}, {1}, plan_.slots[i].offset);
}

/// The place of the gradient of slot `i`, which is in the bucket. A tensor in blocks that somebody has read row-major
/// has become a copy outside of it; then the place is a new tensor.
const Tensor& Bucket::place(std::size_t i) {
  Tensor& place = places_[i];
  const BucketSlot& slot = plan_.slots[i];
  const Tensor& parameter = parameters_[i];
  if (place.defined() && (!slot.is_in_blocks() || place.impl().storage->blocked().storage)) {
    return place;
  }
  const bool is_buffer = !place.defined() || parameter.impl().meta().grad_buffer.is_same(place);
  place = slot.is_in_blocks() ? kernels::blocked_over(elements(i), parameter.sizes(), slot.blocks)
                              : view_of(flat_, parameter.sizes(), contiguous_strides(parameter.sizes()), slot.offset);
  if (is_buffer) {
    parameter.impl().meta().grad_buffer = place;
  }
  return place;
}

void Bucket::begin(Share share) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    place(i);
    if (reduced_[i] && parameters_[i].grad().defined() && share == Share::Clear) {
      clear(elements(i));
      parameters_[i].mutable_grad() = places_[i];
    }
    parameters_[i].impl().meta().is_buffer_taken = false;  // by a pass that has failed
    reduced_[i] = false;
  }
}

void Bucket::fill() {
  dispatch_floating(plan_.dtype, "data_parallel", [&](auto zero) {
    auto* counts = flat_.mutable_data_ptr<decltype(zero)>() + plan_.count_offset(0);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      Tensor& grad = parameters_[i].mutable_grad();
      counts[i] = grad.defined() ? 1 : 0;
      if (!grad.defined()) {
        clear(elements(i));
      } else if (!grad.is_same(place(i))) {
        check(grad.sizes() == parameters_[i].sizes() && grad.scalar_type() == plan_.dtype, "data_parallel: gradient ",
              describe(grad), " of parameter ", describe(parameters_[i]), ": need the parameter's shape and dtype");
        copy(places_[i], grad);
        grad = places_[i];
      }
    }
  });
}

void Bucket::publish() {
  dispatch_floating(plan_.dtype, "data_parallel", [&](auto zero) {
    const auto* counts = flat_.const_data_ptr<decltype(zero)>() + plan_.count_offset(0);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      reduced_[i] = counts[i] > 0;
      if (reduced_[i]) {
        parameters_[i].mutable_grad() = place(i);
      }
    }
  });
}

}  // namespace backflow::distributed
