#include <backflow/distributed/buckets/buckets.h>

#include <cstring>
#include <utility>

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
  if (from.is_contiguous()) {
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
  for (const BucketSlot& slot : plan_.slots) {
    const Tensor& parameter = parameters[slot.parameter];
    parameters_.push_back(parameter);
    views_.push_back(view_of(flat_, parameter.sizes(), contiguous_strides(parameter.sizes()), slot.offset));
    parameter.impl().meta().grad_buffer = views_.back();
  }
}

Bucket::~Bucket() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    AutogradMeta& meta = parameters_[i].impl().meta();
    if (meta.grad_buffer.defined() && meta.grad_buffer.is_same(views_[i])) {
      meta.grad_buffer = Tensor();
    }
  }
}

void Bucket::begin(Share share) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (reduced_[i] && parameters_[i].grad().defined() && share == Share::Clear) {
      clear(views_[i]);
      parameters_[i].mutable_grad() = views_[i];
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
        clear(views_[i]);
      } else if (!grad.is_same(views_[i])) {
        check(grad.sizes() == views_[i].sizes() && grad.scalar_type() == plan_.dtype, "data_parallel: gradient ",
              describe(grad), " of parameter ", describe(parameters_[i]), ": need the parameter's shape and dtype");
        copy(views_[i], grad);
        grad = views_[i];
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
        parameters_[i].mutable_grad() = views_[i];
      }
    }
  });
}

}  // namespace backflow::distributed
