#include <backflow/distributed/shards/shards.h>

#include <string>
#include <vector>

#include <backflow/distributed/sampler.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/error_of.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

std::string tree(int shards, const std::vector<ShardRange>& parts) {
  return fold_tree(
      {0, shards}, parts, [&](std::size_t i) { return to_text(parts[i].begin, ":", parts[i].end); },
      [](const std::string& left, const std::string& right) { return "(" + left + " " + right + ")"; });
}

std::vector<ShardRange> of_all_ranks(int shards, int ranks) {
  std::vector<ShardRange> all;
  for (int r = 0; r < ranks; ++r) {
    const auto own = subtrees_in(shards, shards_of_rank(shards, r, ranks));
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

}  // namespace

TEST_CASE("shards: the tree is cut at the largest power of two below its size", "[shards]") {
  CHECK(tree(1, of_all_ranks(1, 1)) == "0:1");
  CHECK(tree(6, of_all_ranks(6, 6)) == "(((0:1 1:2) (2:3 3:4)) (4:5 5:6))");
  CHECK(tree(7, of_all_ranks(7, 7)) == "(((0:1 1:2) (2:3 3:4)) ((4:5 5:6) 6:7))");
}

TEST_CASE("shards: a rank has the largest subtrees among its shards", "[shards]") {
  CHECK(tree(8, of_all_ranks(8, 1)) == "0:8");
  CHECK(tree(8, of_all_ranks(8, 2)) == "(0:4 4:8)");
  CHECK(tree(8, of_all_ranks(8, 4)) == "((0:2 2:4) (4:6 6:8))");
  CHECK(tree(6, of_all_ranks(6, 3)) == "((0:2 2:4) 4:6)");
  CHECK(tree(6, of_all_ranks(6, 2)) == "((0:2 (2:3 3:4)) 4:6)");
  for (int shards = 1; shards <= 64; ++shards) {
    for (int ranks = 1; ranks <= shards; ++ranks) {
      if (shards % ranks == 0) {
        int next = 0;
        for (const ShardRange& part : of_all_ranks(shards, ranks)) {
          CHECK(part.begin == next);
          next = part.end;
        }
        CHECK(next == shards);
        CHECK_NOTHROW(tree(shards, of_all_ranks(shards, ranks)));
      }
    }
  }
}

TEST_CASE("shards: ranks that do not divide the shards are refused, with both numbers", "[shards]") {
  CHECK(error_of([] { shards_of_rank(6, 0, 4); }) ==
        "shards: 6 shards on 4 ranks: need a number of ranks that divides the shards");
}

TEST_CASE("shards: samples are those that the sampler gives to as many ranks", "[shards]") {
  for (const std::int64_t n : {1, 3, 64, 235, 256}) {
    for (const int shards : {1, 4, 6, 8}) {
      for (int s = 0; s < shards; ++s) {
        const ShardedSampler sampler({.dataset_size = n, .batch_size = n, .shuffle = false, .rank = s, .size = shards});
        const Shard shard = samples_of_shard(n, s, shards);
        std::vector<std::int64_t> indices;
        for (std::int64_t i = shard.begin; i < shard.end; ++i) {
          indices.push_back(i);
        }
        CHECK(sampler.batch(0, 0).indices == indices);
      }
    }
  }
}

TEST_CASE("shards: micro-batches cut a shard into parts of at least one sample", "[shards]") {
  const Shard shard{.index = 2, .begin = 10, .end = 13, .global_n = 20};
  const auto bounds = [&](std::int64_t part, std::int64_t parts) {
    const Shard cut = part_of_shard(shard, part, parts);
    CHECK(cut.index == 2);
    CHECK(cut.global_n == 20);
    return std::pair(cut.begin, cut.end);
  };
  CHECK(bounds(0, 1) == std::pair<std::int64_t, std::int64_t>(10, 13));
  CHECK(bounds(0, 2) == std::pair<std::int64_t, std::int64_t>(10, 11));
  CHECK(bounds(1, 2) == std::pair<std::int64_t, std::int64_t>(11, 13));
  CHECK(bounds(2, 5) == std::pair<std::int64_t, std::int64_t>(12, 13));
  CHECK(bounds(3, 5).first == bounds(3, 5).second);
}
