#include <backflow/distributed/shards/shard_sums.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include <backflow/distributed/shards/tree_reduction.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::distributed {
namespace {

bool is_number(const Tensor& x) { return is_floating_point(x.scalar_type()); }

/// Appends the elements as float64, each times `weight`.
void append(std::vector<double>& message, const Tensor& x, double weight) {
  const Tensor dense = contiguous(to(x, kFloat64));
  const auto* data = dense.const_data_ptr<double>();
  std::transform(data, data + dense.numel(), std::back_inserter(message), [=](double e) { return weight * e; });
}

}  // namespace

ShardSums::ShardSums(std::vector<Tensor> buffers, int shards, std::shared_ptr<Communicator> communicator)
    : buffers_(std::move(buffers)), shards_(shards), communicator_(std::move(communicator)) {
  for (const Tensor& buffer : buffers_) {
    length_ += 1 + static_cast<std::size_t>(buffer.numel());
  }
}

double ShardSums::combine(const std::vector<double>& losses, const std::vector<ShardState>& states,
                          std::int64_t global_n) {
  const NoGradGuard no_grad;
  const ShardRange own = shards_of_rank(shards_, communicator_->rank(), communicator_->size());
  int source = 0;  // of the integers
  for (int s = 1; s < shards_; ++s) {
    source = samples_of_shard(global_n, s, shards_).n() > samples_of_shard(global_n, source, shards_).n() ? s : source;
  }
  std::vector<std::vector<double>> messages;
  for (int s = own.begin; s < own.end; ++s) {
    const auto i = static_cast<std::size_t>(s - own.begin);
    messages.push_back(message(losses[i], states[i], samples_of_shard(global_n, s, shards_), s == source));
  }
  const std::vector<double> sums = sum_messages(*communicator_, shards_, std::move(messages), length_);
  take(sums, global_n);
  return sums.front();
}

std::vector<double> ShardSums::message(double loss, const ShardState& state, const Shard& shard, bool is_source) const {
  if (shard.n() == 0) {
    return std::vector<double>(length_, kAbsent);
  }
  std::vector<double> out = {loss};
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Tensor& own = state.buffers()[i];
    out.push_back(state.has_changed(i) ? 1 : 0);
    if (is_number(own) || is_source) {
      append(out, own, is_number(own) ? static_cast<double>(shard.n()) : 1);
    } else {
      out.resize(out.size() + static_cast<std::size_t>(own.numel()), kAbsent);
    }
  }
  return out;
}

void ShardSums::take(const std::vector<double>& sums, std::int64_t global_n) {
  const double* in = sums.data() + 1;
  for (const Tensor& buffer : buffers_) {
    const bool has_changed = *in++ > 0;
    const double weights = is_number(buffer) ? static_cast<double>(global_n) : 1;
    if (has_changed) {
      const Tensor dense = empty_tensor(buffer.sizes(), kFloat64);
      std::transform(in, in + buffer.numel(), dense.mutable_data_ptr<double>(),
                     [=](double sum) { return sum / weights; });
      buffer.copy_(dense);
    }
    in += buffer.numel();
  }
}

}  // namespace backflow::distributed
