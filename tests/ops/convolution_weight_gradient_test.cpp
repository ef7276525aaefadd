// Gradients of the weights of convolutions: their bits depend neither on the cut nor on the number of threads, and they
// have gradients themselves.
#include <algorithm>
#include <sstream>
#include <vector>

#include <backflow/ops/autograd/gradcheck.h>
#include <backflow/ops/kernel_counts.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/tests/support/arrays.h>

#include <backflow/tests/catch2.h>

namespace backflow::test {
namespace {

struct Shape {
  Index x;
  Index w;
  Index y;
  Index stride;
  Index padding;
  std::int64_t groups = 1;
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> kShapes = {
      // A step is a sample; several parts of the batch, or few for large weights.
      {{7, 64, 32, 32}, {64, 64, 3, 3}, {7, 64, 32, 32}, {1, 1}, {1, 1}},
      {{5, 64, 24, 24}, {96, 64, 3, 3}, {5, 96, 12, 12}, {2, 2}, {1, 1}},
      {{3, 160, 16, 16}, {256, 160, 3, 3}, {3, 256, 16, 16}, {1, 1}, {1, 1}},
      {{1, 48, 30, 20}, {80, 48, 3, 3}, {1, 80, 30, 20}, {1, 1}, {1, 1}},
      // A step has several samples, the last one fewer; slices are copied.
      {{23, 32, 14, 14}, {64, 32, 3, 3}, {23, 64, 14, 14}, {1, 1}, {1, 1}},
      {{21, 128, 8, 8}, {64, 128, 1, 1}, {21, 64, 8, 8}, {1, 1}, {0, 0}},
      {{13, 128, 8, 8}, {48, 128, 1, 1}, {13, 48, 4, 4}, {2, 2}, {0, 0}},
      // Large weights, over the whole batch.
      {{9, 256, 4, 4}, {256, 256, 3, 3}, {9, 256, 4, 4}, {1, 1}, {1, 1}},
      {{6, 192, 8, 8}, {320, 192, 3, 3}, {6, 320, 4, 4}, {2, 2}, {1, 1}},
      // Channels that fill no blocks.
      {{9, 3, 32, 32}, {64, 3, 3, 3}, {9, 64, 32, 32}, {1, 1}, {1, 1}},
      {{16, 1, 28, 28}, {32, 1, 3, 3}, {16, 32, 28, 28}, {1, 1}, {1, 1}},
      {{6, 40, 28, 28}, {24, 40, 3, 3}, {6, 24, 28, 28}, {1, 1}, {1, 1}},
      {{4, 17, 28, 28}, {64, 17, 3, 3}, {4, 64, 28, 28}, {1, 1}, {1, 1}},
      // Groups.
      {{5, 64, 28, 28}, {64, 16, 3, 3}, {5, 64, 28, 28}, {1, 1}, {1, 1}, 4},
      {{6, 64, 56, 56}, {64, 1, 3, 3}, {6, 64, 56, 56}, {1, 1}, {1, 1}, 64},
      {{6, 64, 28, 28}, {64, 2, 3, 3}, {6, 64, 28, 28}, {1, 1}, {1, 1}, 32},
      // One and three spatial dimensions.
      {{5, 64, 500}, {64, 64, 5}, {5, 64, 500}, {1}, {2}},
      {{3, 32, 6, 12, 12}, {48, 32, 3, 3, 3}, {3, 48, 6, 12, 12}, {1, 1, 1}, {1, 1, 1}},
  };
  return kShapes;
}

std::string title(const Shape& s) {
  std::ostringstream text;
  text << "x " << IntArrayRef(s.x) << ", w " << IntArrayRef(s.w) << ", stride " << IntArrayRef(s.stride) << ", groups "
       << s.groups;
  return text.str();
}

/// dw, computed on `threads` threads with all free cuts into `pieces`.
Tensor gradient(const Shape& s, ScalarType dtype, int threads, std::int64_t pieces) {
  const Tensor x = to(random_tensor(s.x, "x", kFloat64), dtype);
  const Tensor dy = to(random_tensor(s.y, "dy", kFloat64), dtype);
  const Index dilation(s.stride.size(), 1);
  const int before = get_num_threads();
  set_num_threads(threads);
  const ForcedPieces forced(pieces);
  Tensor dw = convolution_weight_gradient(x, dy, s.w, s.stride, s.padding, dilation, s.groups);
  set_num_threads(before);
  return dw;
}

TEST_CASE("gradients of weights keep their bits in every cut and on every number of threads", "[op]") {
  for (const Shape& s : shapes()) {
    INFO(title(s));
    const KernelCounts before = kernel_counts();
    const Tensor dw = gradient(s, kFloat32, 1, 1);
    for (const std::int64_t pieces : {2, 3, 7, 64, 1000}) {
      INFO(pieces << " pieces");
      CHECK(bitwise_equal(gradient(s, kFloat32, 1, pieces), dw));
    }
    for (const int threads : {2, 8}) {
      INFO(threads << " threads");
      CHECK(bitwise_equal(gradient(s, kFloat32, threads, 7), dw));
    }
    CHECK(kernel_counts().reference_calls == before.reference_calls);
  }
}

TEST_CASE("gradients of weights in float32 agree with those in float64, whose bits no cut changes", "[op]") {
  for (const Shape& s : shapes()) {
    INFO(title(s));
    const Tensor exact = gradient(s, kFloat64, 2, 1);
    for (const std::int64_t pieces : {3, 64}) {
      CHECK(bitwise_equal(gradient(s, kFloat64, 2, pieces), exact));
      const Tensor error = to(gradient(s, kFloat32, 2, pieces), kFloat64) - exact;
      CHECK((error.abs().max() / exact.abs().max()).item<double>() < 5e-6);
    }
  }
}

/// The size of the result of a convolution of `size` elements.
std::int64_t result_size(std::int64_t size, std::int64_t filter, std::int64_t stride, std::int64_t padding,
                         std::int64_t dilation) {
  return (size + 2 * padding - dilation * (filter - 1) - 1) / stride + 1;
}

/// Checks both derivatives of dw for a gradient dy that is as long as x gives along each dimension, or two shorter.
void check_derivatives(const Index& spatial, std::int64_t stride, std::int64_t padding, std::int64_t dilation,
                       std::int64_t groups) {
  const Index w(spatial.size(), 2);
  for (const std::int64_t fewer : {0, 2}) {
    Index y;
    for (const std::int64_t size : spatial) {
      y.push_back(std::max<std::int64_t>(1, result_size(size, 2, stride, padding, dilation) - fewer));
    }
    const auto with = [](Index sizes, const Index& more) {
      sizes.insert(sizes.end(), more.begin(), more.end());
      return sizes;
    };
    const Tensor x = random_tensor(with({1, 2}, spatial), "x", kFloat64).requires_grad_();
    const Tensor dy = random_tensor(with({1, 2}, y), "dy", kFloat64).requires_grad_();
    const auto dw = [&](const autograd::variable_list& inputs) {
      return convolution_weight_gradient(inputs[0], inputs[1], with({2, 2 / groups}, w), stride, padding, dilation,
                                         groups);
    };
    INFO("x " << x.sizes() << ", dy " << dy.sizes() << ", stride " << stride << ", padding " << padding << ", dilation "
              << dilation << ", groups " << groups);
    CHECK(autograd::gradcheck(dw, {x, dy}));
    CHECK(autograd::gradgradcheck(dw, {x, dy}));
  }
}

TEST_CASE("gradients of weights have derivatives, also where x is longer than the gradient needs", "[op]") {
  for (const std::int64_t stride : {1, 2, 3}) {
    check_derivatives({8}, stride, 0, 1, 1);
    check_derivatives({4, 5}, stride, 1, 1, 2);
  }
  check_derivatives({8}, 2, 0, 2, 1);
  check_derivatives({5, 5}, 3, 1, 2, 2);
  check_derivatives({2, 3, 5}, 2, 0, 1, 1);
}

TEST_CASE("gradients of weights from padding alone have derivatives of 0", "[op]") {
  const Tensor x = random_tensor({1, 1, 3}, "x", kFloat64).requires_grad_();
  const Tensor dy = random_tensor({1, 1, 1}, "dy", kFloat64).requires_grad_();
  const auto dw = [](const autograd::variable_list& inputs) {
    return convolution_weight_gradient(inputs[0], inputs[1], {1, 1, 1}, 1, 2, 1, 1);
  };
  CHECK(autograd::gradcheck(dw, {x, dy}));
  CHECK(autograd::gradgradcheck(dw, {x, dy}));
}

}  // namespace
}  // namespace backflow::test
