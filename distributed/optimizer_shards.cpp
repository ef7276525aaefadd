#include <backflow/distributed/optimizer_shards.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>
#include <unordered_map>
#include <utility>

#include <backflow/distributed/buckets/gradient_limits.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/reductions/norm.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::distributed {
namespace {

using NamedTensors = optim::Optimizer::NamedTensors;
using optim::ElementRange;

constexpr const char* kStep = "step";

const std::byte* bytes_of(const Tensor& x) { return static_cast<const std::byte*>(x.const_data_ptr()); }

/// The elements of a range of `x`, in memory of their own.
Tensor cut(const Tensor& x, const ElementRange& range) {
  const Tensor dense = x.is_contiguous() ? x : contiguous(x);
  const std::size_t size = element_size(x.scalar_type());
  Tensor part = empty_tensor({range.numel}, x.scalar_type());
  if (range.numel > 0) {
    std::memcpy(part.mutable_data_ptr(), bytes_of(dense) + static_cast<std::size_t>(range.begin) * size, part.nbytes());
  }
  return part;
}

NamedTensors cut(const NamedTensors& state, const ElementRange& range) {
  NamedTensors out;
  if (range.numel > 0) {
    for (const auto& item : state) {
      out.insert(item.key(), item.key() == kStep ? clone(item.value()) : cut(item.value(), range));
    }
  }
  return out;
}

/// The whole of which each rank has a part, at `begin` elements; bit by bit, as sums of words of which all but one are
/// zero.
Tensor join(const Tensor* part, std::int64_t begin, const Tensor& parameter, Communicator& communicator) {
  constexpr std::size_t kWord = sizeof(std::int64_t);
  Tensor whole = empty_tensor(parameter.sizes(), parameter.scalar_type());
  std::vector<std::int64_t> words((whole.nbytes() + kWord - 1) / kWord, 0);
  if (part != nullptr) {
    std::memcpy(reinterpret_cast<std::byte*>(words.data()) +
                    static_cast<std::size_t>(begin) * element_size(parameter.scalar_type()),
                bytes_of(*part), part->nbytes());
  }
  communicator.all_reduce_sum(std::span(words));
  if (whole.nbytes() > 0) {
    std::memcpy(whole.mutable_data_ptr(), words.data(), whole.nbytes());
  }
  return whole;
}

}  // namespace

bool OptimizerShards::is_aligned() const {
  if (plan_number_ != parallel_.plan_number() || parameters_ != optimizer_.size()) {
    return false;
  }
  for (const Bucket& bucket : parallel_.buckets()) {
    return optimizer_.state_range(bucket.parameters().front()).has_value();  // else all have been loaded
  }
  return true;
}

void OptimizerShards::align() {
  if (is_aligned()) {
    return;
  }
  const NoGradGuard no_grad;
  std::unordered_map<const TensorImpl*, ElementRange> ranges;
  for (const BucketIndex b : parallel_.buckets().indices()) {
    const std::vector<Tensor>& parameters = parallel_.buckets()[b].parameters();
    for (const SlotShare& share : parallel_.shares(b).own()) {
      ranges.emplace(&parameters[share.slot].impl(), share.range);
    }
  }
  const auto range_of = [&](const Tensor& parameter) {
    const auto found = ranges.find(&parameter.impl());
    return found == ranges.end() ? ElementRange{0, parallel_.communicator()->rank() == 0 ? parameter.numel() : 0}
                                 : found->second;  // who is in no bucket, a frozen one, is the first rank's
  };
  if (plan_number_ != parallel_.plan_number()) {
    for_each_state([&](const Tensor& parameter, const NamedTensors& state) {
      optimizer_.set_state(parameter, range_of(parameter), cut(state, range_of(parameter)));
    });
  }
  for (const optim::OptimizerParamGroup& group : optimizer_.param_groups()) {
    for (const Tensor& parameter : group.params()) {
      if (!optimizer_.state_range(parameter)) {
        optimizer_.set_state(parameter, range_of(parameter), cut(optimizer_.state(parameter), range_of(parameter)));
      }
    }
  }
  plan_number_ = parallel_.plan_number();
  parameters_ = optimizer_.size();
}

/// The parameters whose state is cut, the same on all ranks. Collective.
std::vector<OptimizerShards::CutState> OptimizerShards::cut_states() const {
  std::vector<CutState> cuts;
  std::vector<std::int64_t> steps;  // of each, from the rank that has its first element: 0 for no state, else 1 + step
  for (const optim::OptimizerParamGroup& group : optimizer_.param_groups()) {
    for (const Tensor& parameter : group.params()) {
      if (const auto& range = optimizer_.state_range(parameter)) {
        const NamedTensors& state = optimizer_.state(parameter);
        const Tensor* step = state.find(kStep);
        const bool is_owner = range->begin == 0 && !state.is_empty();
        cuts.push_back({parameter, range->begin});
        steps.push_back(!is_owner ? 0 : 1 + (step != nullptr ? *step->const_data_ptr<std::int64_t>() : 0));
      }
    }
  }
  parallel_.communicator()->all_reduce_sum(std::span(steps));
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    cuts[i].is_begun = steps[i] > 0;
    cuts[i].step = std::max<std::int64_t>(steps[i] - 1, 0);
  }
  return cuts;
}

/// Calls `use` on every rank with the whole state of each parameter whose state is cut, one after the other; with an
/// empty one where there has been no update. Collective.
void OptimizerShards::for_each_state(
    const std::function<void(const Tensor& parameter, const NamedTensors& state)>& use) const {
  for (const CutState& cut : cut_states()) {
    const NamedTensors& own = optimizer_.state(cut.parameter);
    NamedTensors whole;
    for (const std::string& name : cut.is_begun ? optimizer_.state_names(cut.parameter) : std::vector<std::string>()) {
      if (name == kStep) {
        *whole.insert(name, empty_tensor({}, kInt64)).mutable_data_ptr<std::int64_t>() = cut.step;
      } else {
        whole.insert(name, join(own.find(name), cut.begin, cut.parameter, *parallel_.communicator()));
      }
    }
    use(cut.parameter, whole);
  }
}

void OptimizerShards::update(BucketIndex bucket) {
  const BucketShares& shares = parallel_.shares(bucket);
  optimizer_.step_parts(shares.updates());
  shares.put_parameters();
}

void OptimizerShards::take(BucketIndex bucket) {
  parallel_.shares(bucket).take_parameters();
  for (const Tensor& parameter : parallel_.buckets()[bucket].parameters()) {
    parameter.mutable_grad() = Tensor();
  }
}

std::vector<Tensor> OptimizerShards::gradients() const {
  std::vector<Tensor> all;
  for (const BucketIndex b : parallel_.buckets().indices()) {
    for (optim::PartialUpdate& update : parallel_.shares(b).updates()) {
      all.push_back(std::move(update.gradient));
    }
  }
  return all;
}

double OptimizerShards::norm() const {
  Communicator& communicator = *parallel_.communicator();
  std::vector<double> norms(static_cast<std::size_t>(communicator.size()), 0);
  norms[static_cast<std::size_t>(communicator.rank())] = kernels::vector_norm(gradients(), 2);
  communicator.all_reduce_sum(std::span(norms));
  const double sum = std::accumulate(norms.begin(), norms.end(), 0.0);
  const double largest = *std::max_element(norms.begin(), norms.end());
  if (!std::isfinite(sum) || largest == 0) {
    return sum;
  }
  double squares = 0;  // of parts of the largest, so that nothing overflows
  for (const double norm : norms) {
    squares += norm / largest * (norm / largest);
  }
  return largest * std::sqrt(squares);
}

void OptimizerShards::check_finite() const {
  std::string finding;
  for (const BucketIndex b : parallel_.buckets().indices()) {
    for (const optim::PartialUpdate& update : parallel_.shares(b).updates()) {
      if (finding.empty() && !kernels::all_finite(update.gradient)) {
        finding = not_finite(parallel_.name_of(update.parameter), update.parameter);
      }
    }
  }
  for (const std::string& found : parallel_.communicator()->all_gather(finding)) {
    check(found.empty(), found);
  }
}

/// What the state of each parameter is called.
std::unordered_map<const TensorImpl*, std::string> OptimizerShards::paths(const NamedTensors& names) const {
  std::unordered_map<const TensorImpl*, std::string> paths;
  for (const auto& item : names) {
    paths.emplace(&item.value().impl(), item.key());
  }
  std::size_t number = 0;
  for (const optim::OptimizerParamGroup& group : optimizer_.param_groups()) {
    for (const Tensor& parameter : group.params()) {
      paths.emplace(&parameter.impl(), std::to_string(number++));
    }
  }
  return paths;
}

std::vector<Tensor> OptimizerShards::uncut_parameters() const {
  std::vector<Tensor> all;
  for (const optim::OptimizerParamGroup& group : optimizer_.param_groups()) {
    for (const Tensor& parameter : group.params()) {
      if (!optimizer_.state_range(parameter)) {
        all.push_back(parameter);
      }
    }
  }
  return all;
}

NamedTensors OptimizerShards::gather_state(const NamedTensors& names) const {
  const bool is_first = parallel_.communicator()->rank() == 0;
  const auto all_paths = paths(names);
  NamedTensors all;
  const auto add = [&](const Tensor& parameter, const NamedTensors& state) {
    for (const auto& item : state) {
      if (is_first) {
        all.insert(all_paths.at(&parameter.impl()) + "." + item.key(), item.value());
      }
    }
  };
  for_each_state(add);
  for (const Tensor& parameter : uncut_parameters()) {
    add(parameter, optimizer_.state(parameter));
  }
  return all;
}

std::vector<OptimizerStateShare> OptimizerShards::own_state(const NamedTensors& names) const {
  const auto all_paths = paths(names);
  const auto path = [&](const Tensor& parameter, const std::string& name) {
    return all_paths.at(&parameter.impl()) + "." + name;
  };
  const auto sizes = [](const Tensor& x) { return std::vector<std::int64_t>(x.sizes().begin(), x.sizes().end()); };
  std::vector<OptimizerStateShare> all;
  for (const CutState& cut : cut_states()) {
    const Tensor& parameter = cut.parameter;
    const NamedTensors& own = optimizer_.state(parameter);
    for (const std::string& name : cut.is_begun ? optimizer_.state_names(parameter) : std::vector<std::string>()) {
      if (name == kStep) {
        const Tensor step = empty_tensor({}, kInt64);
        *step.mutable_data_ptr<std::int64_t>() = cut.step;
        all.push_back({path(parameter, name), {}, 0, step, true});
      } else if (const Tensor* const part = own.find(name)) {
        all.push_back({path(parameter, name), sizes(parameter), cut.begin, *part, false});
      } else {
        all.push_back({path(parameter, name), sizes(parameter), 0, empty_tensor({0}, parameter.scalar_type()), false});
      }
    }
  }
  for (const Tensor& parameter : uncut_parameters()) {
    for (const auto& item : optimizer_.state(parameter)) {
      all.push_back({path(parameter, item.key()), sizes(item.value()), 0, item.value(), true});
    }
  }
  return all;
}

}  // namespace backflow::distributed
