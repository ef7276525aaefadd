#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <backflow/distributed/data_parallel.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

using Call = void (Communicator::*)(const Tensor&, std::int64_t, Completion);

void call_and_wait(Call call, const Tensor& x) {
  start_and_wait([&](Completion done) { (*world().*call)(x, 0, std::move(done)); });
}

/// Numbers of rank `rank` that bfloat16 does not hold.
std::vector<float> numbers(std::size_t n, int rank) {
  std::vector<float> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = 1.0F / static_cast<float>(3 + (7 * i + 5 * static_cast<std::size_t>(rank)) % 101) - 0.1F;
  }
  return out;
}

/// What a sum over the ranks is to be: in float32, in the order of the ranks, rounded once.
std::vector<double> expected(std::size_t n) {
  std::vector<float> sums(n, 0);
  for (int rank = 0; rank < world()->size(); ++rank) {
    const std::vector<float> theirs = numbers(n, rank);
    for (std::size_t i = 0; i < n; ++i) {
      const float sent = BFloat16(theirs[i]);
      sums[i] = rank == 0 ? sent : sums[i] + sent;
    }
  }
  std::vector<double> rounded(n);
  for (std::size_t i = 0; i < n; ++i) {
    rounded[i] = static_cast<float>(BFloat16(sums[i]));
  }
  return rounded;
}

Tensor own_numbers(std::int64_t n) {
  const std::vector<float> mine = numbers(static_cast<std::size_t>(n), world()->rank());
  Tensor x = empty_tensor({n}, kBFloat16);
  std::copy(mine.begin(), mine.end(), x.data_ptr<BFloat16>());
  return x;
}

}  // namespace

TEST_CASE("compression: a sum of bfloat16 is one of float32 in the order of the ranks, rounded once",
          "[compression]") {
  for (const std::int64_t n : {0, 1, 3, 1000, 2'500'001}) {
    const Tensor x = own_numbers(n);
    call_and_wait(&Communicator::all_reduce_async, x);
    CHECK(values(x) == expected(static_cast<std::size_t>(n)));
  }
}

TEST_CASE("compression: the own part of a sum of bfloat16", "[compression]") {
  const std::int64_t size = world()->size();
  for (const std::int64_t part : {0, 1, 1000, 1'100'000}) {
    const Tensor x = own_numbers(part * size);
    call_and_wait(&Communicator::reduce_scatter_async, x);
    const std::vector<double> sums = values(x);
    const std::vector<double> all = expected(static_cast<std::size_t>(part * size));
    const auto begin = world()->rank() * part;
    CHECK(std::equal(all.begin() + begin, all.begin() + begin + part, sums.begin() + begin));
  }
}

TEST_CASE("compression: bfloat16 gradients are half of the bytes, and as exact as they can be", "[compression]") {
  constexpr std::int64_t kNumel = 3000;
  const Tensor p = parameter({kNumel});
  const Tensor q = parameter({10}, 0, kFloat64);
  DataParallel parallel({p, q}, world(), {.limits = {}, .names = {}, .compression = Compression::BFloat16});
  for (int step = 0; step < 2; ++step) {
    parallel.zero_grad();
    parallel.begin_backward();
    const std::vector<float> mine = numbers(kNumel, world()->rank());
    receive_gradient(p, 0);
    std::copy(mine.begin(), mine.end(), p.mutable_grad().mutable_data_ptr<float>());
    receive_gradient(q, 0.1);
    for (const PassTask& task : parallel.reductions()) {
      run_and_wait(task);
    }
    if (world()->size() > 1) {
      CHECK(values(p.grad()) == expected(kNumel));
      CHECK(q.grad().const_data_ptr<double>()[0] == Approx(0.1 * world()->size()).epsilon(1e-15));  // as it is
    }
  }
  for (const BucketTraffic& bucket : parallel.traffic()) {
    const bool halved = bucket.uncompressed > 1000 * world()->size();
    CHECK(bucket.sent * (halved ? 2 : 1) == Approx(static_cast<double>(bucket.uncompressed)).epsilon(0.001));
  }
}
