#include <backflow/distributed/buffer_combiner.h>

#include <cmath>
#include <limits>

#include <backflow/nn/modules/batch_norm.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

void combine(const std::vector<Tensor>& buffers, double weight) { BufferCombiner(buffers, world()).combine(weight); }

}  // namespace

TEST_CASE("buffer combiner: numbers become their weighted mean, the same on every rank") {
  const int rank = world()->rank();
  const int size = world()->size();
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    const Tensor x = filled({2, 3}, 10.0 * (rank + 1), dtype);
    const Tensor y = filled({}, rank == 0 ? 1 : 0, dtype);
    combine({x, y}, rank + 1);
    // Weights 1, 2, ... n and values 10, 20, ... 10 n: 10 (1 + 4 + ... + n^2) / (1 + 2 + ... + n) = 10 (2 n + 1) / 3.
    const double mean = size == 1 ? 10 : size == 2 ? 50.0 / 3 : 10.0 * (2 * size + 1) / 3;
    const double first = 2.0 / (size * (size + 1));
    CHECK(all_equal(x, values(filled({}, mean, dtype)).front()));
    CHECK(all_equal(y, values(filled({}, first, dtype)).front()));
  }
}

TEST_CASE("buffer combiner: numbers that are equal keep their bits, whatever the weights") {
  const Tensor x = filled({1000}, 0.1F);
  combine({x}, 3 + 7 * world()->rank());
  CHECK(all_equal(x, 0.1F));
}

TEST_CASE("buffer combiner: a rank without samples contributes nothing, not even NaN") {
  const bool is_last = world()->rank() == world()->size() - 1;
  const Tensor x = filled({3}, is_last ? 4 : std::numeric_limits<double>::quiet_NaN());
  const Tensor steps = filled({}, is_last ? 8 : 7, kInt64);
  combine({x, steps}, is_last ? 5 : 0);
  CHECK(all_equal(x, 4));
  CHECK(all_equal(steps, 8));
}

TEST_CASE("buffer combiner: when no rank has a sample nothing changes") {
  const int rank = world()->rank();
  const Tensor x = filled({3}, rank);
  const Tensor steps = filled({}, rank, kInt32);
  combine({x, steps}, 0);
  CHECK(all_equal(x, rank));
  CHECK(all_equal(steps, rank));
}

TEST_CASE("buffer combiner: integers come from the largest weight, of equal ones from the lowest rank, if one is 0") {
  const int rank = world()->rank();
  const int size = world()->size();
  for (const ScalarType dtype : {kInt64, kInt32, kUInt8, kBool}) {
    const Tensor x = filled({2}, dtype == kBool ? rank % 2 : rank + 1, dtype);
    const int source = size > 1 ? 1 : 0;  // ranks 1, 2, ... have equal weights
    combine({x}, rank == 0 && size > 1 ? 0 : 2);
    CHECK(all_equal(x, dtype == kBool ? source % 2 : source + 1));
  }
}

TEST_CASE("buffer combiner: a message may carry other sums too") {
  const int size = world()->size();
  const Tensor x = filled({2}, world()->rank());
  BufferCombiner combiner({x}, world());
  std::vector<double> message = {1};
  combiner.append_to(message, 1);
  CHECK(message.size() == (size == 1 ? 1 : 5));
  world()->all_reduce_sum(std::span(message));
  combiner.take_from(std::span(message).subspan(1));
  CHECK(message[0] == size);
  CHECK(all_equal(x, (size - 1) / 2.0));
}

TEST_CASE("buffer combiner: views keep the elements between theirs, and undefined buffers are left out") {
  const int rank = world()->rank();
  const Tensor whole = filled({2, 2}, rank);
  combine({Tensor(), whole.select(1, 0)}, 1);
  const double mean = (world()->size() - 1) / 2.0;
  CHECK(values(whole) == std::vector<double>{mean, double(rank), mean, double(rank)});
}

TEST_CASE("buffer combiner: a weight that is no number of samples is an error, of which each rank knows by itself") {
  for (const double weight : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_WITH(combine({filled({1}, 0)}, weight), StartsWith("buffer combiner: weight "));
  }
}

TEST_CASE("buffer combiner: the running mean of batch norm is that of the whole batch") {
  const int rank = world()->rank();
  const int size = world()->size();
  nn::BatchNorm1d norm(nn::BatchNorm1dOptions(1).momentum(0.5));
  // Rank r has the values 2 r - 1 and 2 r + 1: mean 2 r, unbiased variance 2.
  Tensor x = empty_tensor({2, 1}, kFloat32);
  x.data_ptr<float>()[0] = static_cast<float>(2 * rank - 1);
  x.data_ptr<float>()[1] = static_cast<float>(2 * rank + 1);
  norm->forward(x);
  combine(norm->buffers(), 2);
  CHECK(all_equal(norm->running_mean, 0.5 * (size - 1)));  // half way from 0 to the mean of 0, 2, ... 2 (size - 1)
  CHECK(all_equal(norm->running_var, 1.5));                // half way from 1 to 2: the variance within the parts
  CHECK(all_equal(norm->num_batches_tracked, 1));
}
