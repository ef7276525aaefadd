#include <backflow/distributed/shards/tree_reduction.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace backflow::distributed {
namespace {

using Message = std::vector<double>;

Message add(Message left, const Message& right) {
  std::transform(left.begin(), left.end(), right.begin(), left.begin(), std::plus<>());
  return left;
}

}  // namespace

std::vector<double> sum_messages(Communicator& world, int shards, std::vector<std::vector<double>> messages,
                                 std::size_t length) {
  const ShardRange own = shards_of_rank(shards, world.rank(), world.size());
  check(std::ssize(messages) == own.size(), "sum_messages: ", messages.size(), " messages: need one of each of the ",
        own.size(), " shards of this rank");
  const std::vector<ShardRange> subtrees = subtrees_in(shards, own);
  const auto n = static_cast<std::int64_t>(length);
  const Tensor nodes = empty_tensor({std::ssize(subtrees), n}, kFloat64);
  auto* out = nodes.mutable_data_ptr<double>();
  for (const ShardRange& tree : subtrees) {
    std::vector<ShardRange> single;
    for (int s = tree.begin; s < tree.end; ++s) {
      single.push_back({s, s + 1});
    }
    const Message sum = fold_tree(
        tree, single,
        [&](std::size_t i) { return std::move(messages[i + static_cast<std::size_t>(tree.begin - own.begin)]); }, add);
    check(sum.size() == length, "sum_messages: ", sum.size(), " numbers: need ", length);
    out = std::copy(sum.begin(), sum.end(), out);
  }
  const Tensor total = empty_tensor(n, kFloat64);
  world.tree_sum(nodes, shards, total);
  const auto* data = total.const_data_ptr<double>();
  return {data, data + n};
}

}  // namespace backflow::distributed
