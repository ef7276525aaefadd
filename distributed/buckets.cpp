#include <backflow/distributed/buckets.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tensor/gradient_ops.h>

namespace backflow::distributed {
namespace {

constexpr std::int64_t kAlignment = 64;

struct Open {
  BucketPlan plan;
  std::size_t bytes = 0;
  bool first = true;  ///< no bucket of this dtype has been closed yet
};

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

void append(BucketPlan& plan, std::size_t parameter, std::int64_t numel) {
  const std::int64_t step = kAlignment / static_cast<std::int64_t>(element_size(plan.dtype));
  plan.slots.push_back({parameter, plan.numel, numel});
  plan.numel += (numel + step - 1) / step * step;
}

}  // namespace

std::vector<BucketPlan> plan_buckets(std::span<const Tensor> parameters, const BucketLimits& limits) {
  std::vector<BucketPlan> closed;
  std::vector<Open> open;
  const auto close = [&](Open& bucket) {
    bucket.plan.numel += static_cast<std::int64_t>(bucket.plan.slots.size());
    closed.push_back(std::exchange(bucket.plan, {bucket.plan.dtype, {}, 0}));
    bucket.bytes = 0;
    bucket.first = false;
  };

  for (std::size_t i = parameters.size(); i-- > 0;) {
    const Tensor& parameter = parameters[i];
    auto at = std::find_if(open.begin(), open.end(),
                           [&](const Open& bucket) { return bucket.plan.dtype == parameter.scalar_type(); });
    if (at == open.end()) {
      at = open.insert(open.end(), Open{{parameter.scalar_type(), {}, 0}});
    }
    const auto limit = [&] { return at->first ? limits.first_bytes : limits.bytes; };
    if (!at->plan.slots.empty() && at->bytes + parameter.nbytes() > limit()) {
      close(*at);
    }
    append(at->plan, i, parameter.numel());
    at->bytes += parameter.nbytes();
    if (at->bytes >= limit()) {
      close(*at);
    }
  }
  for (Open& bucket : open) {
    if (!bucket.plan.slots.empty()) {
      close(bucket);
    }
  }
  // A bucket is ready when the parameter used first, its last slot, is.
  std::stable_sort(closed.begin(), closed.end(), [](const BucketPlan& a, const BucketPlan& b) {
    return a.slots.back().parameter > b.slots.back().parameter;
  });
  return closed;
}

Bucket::Bucket(BucketPlan plan, std::span<const Tensor> parameters)
    : plan_(std::move(plan)), flat_(empty_tensor(plan_.numel, plan_.dtype)), reduced_(plan_.slots.size(), false) {
  clear(flat_);
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
