#include <backflow/distributed/sampler.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include <backflow/runtime/base/error.h>
#include <backflow/tests/catch2.h>

using backflow::Error;
using backflow::distributed::LocalBatch;
using backflow::distributed::SamplerOptions;
using backflow::distributed::ShardedSampler;
using backflow::distributed::shuffled;

namespace {

/// The global batch, put together from the parts of all ranks.
std::vector<std::int64_t> global_batch(SamplerOptions options, std::int64_t epoch, std::int64_t step) {
  std::vector<std::int64_t> all;
  std::int64_t least = options.dataset_size;
  std::int64_t most = 0;
  for (options.rank = 0; options.rank < options.size; ++options.rank) {
    const LocalBatch part = ShardedSampler(options).batch(epoch, step);
    all.insert(all.end(), part.indices.begin(), part.indices.end());
    least = std::min(least, part.local_n());
    most = std::max(most, part.local_n());
  }
  options.rank = 0;
  CHECK(most - least <= 1);
  CHECK(static_cast<std::int64_t>(all.size()) == ShardedSampler(options).batch(epoch, step).global_n);
  return all;
}

std::vector<std::int64_t> whole_epoch(const SamplerOptions& options, std::int64_t epoch) {
  std::vector<std::int64_t> all;
  for (std::int64_t step = 0; step < ShardedSampler(options).steps_per_epoch(); ++step) {
    const auto batch = global_batch(options, epoch, step);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

std::vector<std::int64_t> in_order(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

TEST_CASE("sampler: every sample once in an epoch, the same for any number of ranks", "[sampler]") {
  for (const std::int64_t n : {0, 1, 5, 64, 1000}) {
    for (const std::int64_t batch_size : {1, 7, 64, 2000}) {
      SamplerOptions options;
      options.dataset_size = n;
      options.batch_size = batch_size;
      options.seed = 3;
      const auto alone = whole_epoch(options, 2);
      for (const int size : {2, 3, 4, 9}) {
        options.size = size;
        CHECK(whole_epoch(options, 2) == alone);
      }
      auto sorted = alone;
      std::sort(sorted.begin(), sorted.end());
      CHECK(sorted == in_order(n));
    }
  }
}

TEST_CASE("sampler: the order depends on seed and epoch alone", "[sampler]") {
  CHECK(shuffled(100, 1, 0) == shuffled(100, 1, 0));
  CHECK(shuffled(100, 1, 0) != shuffled(100, 1, 1));
  CHECK(shuffled(100, 1, 0) != shuffled(100, 2, 0));
  SamplerOptions options;
  options.dataset_size = 100;
  options.batch_size = 10;
  options.seed = 1;
  const ShardedSampler sampler(options);
  const auto first = sampler.batch(0, 3).indices;
  static_cast<void>(sampler.batch(1, 0));
  CHECK(sampler.batch(0, 3).indices == first);  // whatever was asked for in between
}

TEST_CASE("sampler: the order is the same on every platform", "[sampler]") {
  CHECK(shuffled(10, 1, 0) == std::vector<std::int64_t>{6, 7, 8, 3, 5, 2, 1, 9, 4, 0});
}

TEST_CASE("sampler: every permutation is about as frequent", "[sampler]") {
  std::vector<int> seen(6, 0);
  for (std::int64_t epoch = 0; epoch < 6000; ++epoch) {
    const auto order = shuffled(3, 11, epoch);
    ++seen[static_cast<std::size_t>(2 * order[0] + (order[1] > order[2] ? 1 : 0))];
  }
  for (const int n : seen) {
    CHECK(n == Approx(1000).margin(145));  // 5 standard deviations
  }
}

TEST_CASE("sampler: the last batch is smaller, or left out", "[sampler]") {
  SamplerOptions options;
  options.dataset_size = 10;
  options.batch_size = 4;
  options.size = 4;
  options.rank = 1;
  ShardedSampler keeps(options);
  CHECK(keeps.steps_per_epoch() == 3);
  CHECK(keeps.batch(0, 1).global_n == 4);
  CHECK(keeps.batch(0, 2).global_n == 2);
  options.rank = 0;
  CHECK(ShardedSampler(options).batch(0, 2).local_n() == 0);  // 2 samples for 4 ranks
  options.drop_last = true;
  CHECK(ShardedSampler(options).steps_per_epoch() == 2);
}

TEST_CASE("sampler: in order when not shuffled", "[sampler]") {
  SamplerOptions options;
  options.dataset_size = 10;
  options.batch_size = 4;
  options.shuffle = false;
  options.size = 3;
  CHECK(whole_epoch(options, 0) == in_order(10));
  CHECK(whole_epoch(options, 5) == in_order(10));
}

TEST_CASE("sampler: wrong arguments", "[sampler]") {
  SamplerOptions options;
  options.dataset_size = 10;
  options.batch_size = 4;
  const ShardedSampler sampler(options);
  CHECK_THROWS_WITH(sampler.batch(0, 3), Equals("sampler: step 3: need one in [0, 3)"));
  CHECK_THROWS_AS(sampler.batch(0, -1), Error);
  CHECK_THROWS_AS(sampler.batch(-1, 0), Error);
  options.batch_size = 0;
  CHECK_THROWS_WITH(ShardedSampler(options), Equals("sampler: batch_size 0: need at least 1"));
  options.batch_size = 1;
  options.rank = 1;
  CHECK_THROWS_AS(ShardedSampler(options), Error);
}
