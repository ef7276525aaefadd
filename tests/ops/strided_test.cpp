// Views of strides of the caller's choice: what the sample table cannot say.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("as_strided: a view, from its own offset on unless told otherwise") {
  const Tensor x = tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}}, requires_grad());
  const Tensor y = x[1].as_strided(2, 2);
  CHECK(y.data_ptr<float>() == x.data_ptr<float>() + 3);
  CHECK(std::string(y.grad_fn()->name()) == "AsStridedBackward0");
  CHECK(bitwise_equal(y.detach(), tensor({4.0, 6.0})));
  CHECK(bitwise_equal(x[1].as_strided(2, 2, 0).detach(), tensor({1.0, 3.0})));
}

TEST_CASE("as_strided: elements that the operand does not show get no gradient") {
  const Tensor x = zeros({3, 4}, requires_grad());
  const Tensor y = x[1].as_strided(6, 1, 2);
  y.backward(tensor({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}));
  CHECK(bitwise_equal(x.grad(), tensor({{0.0, 0.0, 0.0, 0.0}, {3.0, 4.0, 5.0, 6.0}, {0.0, 0.0, 0.0, 0.0}})));
}

TEST_CASE("as_strided: the gradient of a leaf that shares memory is divided, as in PyTorch") {
  const Tensor x = zeros({6}).expand({2, 6}).requires_grad_();
  x.as_strided(3, 1).sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({{0.5, 0.5, 0.5, 0.0, 0.0, 0.0}, {0.5, 0.5, 0.5, 0.0, 0.0, 0.0}})));
}

TEST_CASE("strided_gather: bytes that share memory 256 times") {
  CHECK(bitwise_equal(strided_gather(zeros({256, 2}, kUInt8), {0, 1}, 2, 1, 0), zeros({2}, kUInt8)));
}

TEST_CASE("as_strided: mistakes and their messages") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH(x.as_strided({2, 3}, 1), Equals("as_strided: sizes [2, 3], strides [1]: need one stride for each "
                                                    "size"));
  CHECK_THROWS_WITH(x.as_strided(2, -1), Equals("as_strided: sizes [2], strides [-1]: need numbers of 0 or more"));
  CHECK_THROWS_WITH(x.as_strided(3, 2, 2), Equals("as_strided: sizes [3], strides [2], offset 2 of f32[2, 3]: need "
                                                  "elements inside the storage, which has 6"));
  CHECK_THROWS_WITH(x.as_strided(1, 1, -1), StartsWith("as_strided: sizes [1], strides [1], offset -1"));
  CHECK_THROWS_WITH(x.as_strided({3, 3}, {std::int64_t{1} << 62, 1}), EndsWith("need elements less than 2^63 apart"));
  CHECK_THROWS_WITH(strided_scatter(x, zeros({2, 2}), {3, 1}, {1, 1}, 0),
                    Equals("strided_scatter: sizes [2, 2] with strides [1, 1]: need elements that share no memory"));
  CHECK_THROWS_WITH(strided_scatter(x, zeros({2}), {0, 1}, 1, 0),
                    Equals("strided_scatter: sizes [2, 3] with strides [0, 1]: need elements that share no memory"));
  CHECK_THROWS_WITH(strided_scatter(x, zeros({2}, kFloat64), {3, 1}, 1, 0),
                    Equals("strided_scatter: f32[2, 3] and f64[2]: need equal dtypes"));
}
