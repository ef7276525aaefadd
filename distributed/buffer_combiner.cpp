#include <backflow/distributed/buffer_combiner.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>
#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::distributed {
namespace {

/// Ahead of the elements: the sum of the weights, and how many ranks have none.
constexpr std::size_t kHeader = 2;

template <class T>
constexpr ScalarType kDtypeOf = std::is_same_v<T, double> ? kFloat64 : kInt64;

/// Appends the elements of all tensors, each as `change` makes it.
template <class T, class F>
void append_elements(const std::vector<Tensor>& tensors, std::vector<T>& out, const F& change) {
  for (const Tensor& tensor : tensors) {
    const Tensor dense = contiguous(to(tensor, kDtypeOf<T>));
    const T* data = dense.const_data_ptr<T>();
    std::transform(data, data + dense.numel(), std::back_inserter(out), change);
  }
}

/// Gives the tensors the elements from `in` on.
template <class T>
void assign_elements(const T* in, const std::vector<Tensor>& tensors) {
  for (const Tensor& tensor : tensors) {
    const Tensor dense = empty_tensor(tensor.sizes(), kDtypeOf<T>);
    std::copy_n(in, tensor.numel(), dense.mutable_data_ptr<T>());
    tensor.copy_(dense);
    in += tensor.numel();
  }
}

}  // namespace

BufferCombiner::BufferCombiner(const std::vector<Tensor>& buffers, std::shared_ptr<Communicator> communicator)
    : communicator_(std::move(communicator)) {
  for (const Tensor& buffer : buffers) {
    if (buffer.defined() && communicator_->size() > 1) {
      (is_floating_point(buffer.scalar_type()) ? numbers_ : integers_).push_back(buffer);
    }
  }
}

void BufferCombiner::append_to(std::vector<double>& message, double weight) {
  check(weight >= 0 && std::isfinite(weight), "buffer combiner: weight ", weight, ": need a number of at least 0");
  weight_ = weight;
  if (numbers_.empty() && integers_.empty()) {
    return;
  }
  const NoGradGuard no_grad;
  message.push_back(weight);
  message.push_back(weight == 0 ? 1 : 0);
  append_elements(numbers_, message, [weight](double x) { return weight > 0 ? weight * x : 0.0; });
}

void BufferCombiner::take_from(std::span<const double> sums) const {
  if (sums.empty() || sums[0] == 0) {
    return;
  }
  const NoGradGuard no_grad;
  std::vector<double> means(sums.begin() + kHeader, sums.end());
  std::transform(means.begin(), means.end(), means.begin(), [&](double sum) { return sum / sums[0]; });
  assign_elements(means.data(), numbers_);
  if (sums[1] > 0 && !integers_.empty()) {
    choose_integers();
  }
}

void BufferCombiner::choose_integers() const {
  std::vector<double> weights(static_cast<std::size_t>(communicator_->size()), 0.0);
  const auto own = weights.begin() + communicator_->rank();
  *own = weight_;
  communicator_->all_reduce_sum(std::span(weights));
  const bool is_source = std::max_element(weights.begin(), weights.end()) == own;
  std::vector<std::int64_t> chosen;
  append_elements(integers_, chosen, [is_source](std::int64_t x) { return is_source ? x : 0; });
  communicator_->all_reduce_sum(std::span(chosen));
  assign_elements(chosen.data(), integers_);
}

void BufferCombiner::combine(double weight) {
  std::vector<double> message;
  append_to(message, weight);
  communicator_->all_reduce_sum(std::span(message));
  take_from(message);
}

}  // namespace backflow::distributed
