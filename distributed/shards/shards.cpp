#include <backflow/distributed/shards/shards.h>

#include <algorithm>
#include <bit>

#include <backflow/runtime/base/philox.h>

namespace backflow::distributed {
namespace {

/// Keeps the random streams of steps apart from others of the same seed.
constexpr std::uint64_t kStepStream = std::uint64_t{0x57e9} << 48;

void collect_subtrees(ShardRange tree, ShardRange own, std::vector<ShardRange>& out) {
  if (tree.begin >= own.begin && tree.end <= own.end) {
    out.push_back(tree);
  } else if (tree.begin < own.end && own.begin < tree.end) {
    const int cut = tree_cut(tree);
    collect_subtrees({tree.begin, cut}, own, out);
    collect_subtrees({cut, tree.end}, own, out);
  }
}

}  // namespace

ShardRange shards_of_rank(int shards, int rank, int ranks) {
  check(shards >= 1 && shards % ranks == 0, "shards: ", shards, " shards on ", ranks, ranks == 1 ? " rank" : " ranks",
        ": need a number of ranks that divides the shards");
  const int each = shards / ranks;
  return {rank * each, (rank + 1) * each};
}

Shard samples_of_shard(std::int64_t global_n, int index, int shards) {
  return {index, global_n * index / shards, global_n * (index + 1) / shards, global_n};
}

Shard part_of_shard(const Shard& shard, std::int64_t part, std::int64_t parts) {
  const std::int64_t n = shard.n();
  const std::int64_t used = std::min(parts, n);
  if (part >= used) {
    return {shard.index, shard.end, shard.end, shard.global_n};
  }
  return {shard.index, shard.begin + part * n / used, shard.begin + (part + 1) * n / used, shard.global_n};
}

std::uint64_t shard_seed(std::uint64_t seed, std::int64_t step, int index) {
  PhiloxStream random(seed, kStepStream | static_cast<std::uint64_t>(step));
  return random.next64() + static_cast<std::uint64_t>(index);
}

int tree_cut(ShardRange tree) {
  check(tree.size() >= 2, "tree_cut: ", tree.size(), " shards: need two or more");
  return tree.begin + static_cast<int>(std::bit_floor(static_cast<unsigned>(tree.size() - 1)));
}

std::vector<ShardRange> subtrees_in(int shards, ShardRange own) {
  std::vector<ShardRange> out;
  collect_subtrees({0, shards}, own, out);
  return out;
}

}  // namespace backflow::distributed
