// The bits of convolutions do not depend on how many pieces a free cut is asked for.
#include <algorithm>
#include <cstdint>
#include <random>
#include <sstream>
#include <vector>

#include <backflow/ops/kernel_counts.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/convolution_shape.h>

#include <backflow/tests/catch2.h>

namespace backflow::test {
namespace {

using Shape = ConvolutionShape;

std::string title(const Shape& s) {
  std::ostringstream text;
  text << "x " << IntArrayRef(s.x) << ", w " << IntArrayRef(s.w) << ", stride " << IntArrayRef(s.stride) << ", padding "
       << IntArrayRef(s.padding) << ", dilation " << IntArrayRef(s.dilation) << ", groups " << s.groups
       << (s.transposed ? ", transposed" : "");
  return text.str();
}

/// Operands, and y and the gradient of x.
class Convolution {
 public:
  explicit Convolution(const Shape& s, ScalarType dtype = kFloat32)
      : s_(s),
        x_(random_tensor(s.x, "x", dtype)),
        w_(random_tensor(s.w, "w", dtype)),
        b_(random_tensor({s.transposed ? s.w[1] * s.groups : s.w[0]}, "b", dtype)) {
    const Tensor y = convolve(x_);
    dy_ = random_tensor(Index(y.sizes().begin(), y.sizes().end()), "dy", dtype);
  }
  std::vector<Tensor> run(std::int64_t pieces) const {
    const ForcedPieces forced(pieces);
    const Tensor x = x_.clone().set_requires_grad(true);
    const Tensor y = convolve(x);
    return {y.detach(), autograd::grad({y}, {x}, {dy_})[0]};
  }

 private:
  Tensor convolve(const Tensor& x) const {
    return convolution(x, w_, b_, s_.stride, s_.padding, s_.dilation, s_.transposed, 0, s_.groups);
  }

  Shape s_;
  Tensor x_, w_, b_, dy_;
};

void check_cuts(const Shape& s, ScalarType dtype = kFloat32) {
  INFO(title(s));
  const Convolution c(s, dtype);
  const std::int64_t before = kernel_counts().reference_calls;
  const std::vector<Tensor> expected = c.run(1);
  const bool by_reference = kernel_counts().reference_calls != before;
  for (const std::int64_t pieces : {2, 3, 7, 64}) {
    INFO(pieces << " pieces");
    const std::vector<Tensor> y = c.run(pieces);
    CHECK(bitwise_equal(y[0], expected[0]));
    CHECK(bitwise_equal(y[1], expected[1]));
  }
  CHECK((kernel_counts().reference_calls != before) == by_reference);
}

/// A random shape that a convolution has, with at most so many multiply-adds.
Shape random_shape(std::minstd_rand& random, double most) {
  const auto pick = [&](std::initializer_list<std::int64_t> of) { return *(of.begin() + random() % of.size()); };
  for (;;) {
    Shape s;
    const std::int64_t dims = pick({1, 2, 2, 2, 2, 3});
    s.groups = pick({1, 1, 1, 1, 2, 4, 16});
    const std::int64_t of_group = s.groups == 1 ? pick({1, 3, 16, 17, 24, 32, 48, 64, 128, 256}) : pick({1, 4, 8, 16});
    const std::int64_t filters = s.groups == 1 ? pick({5, 16, 17, 32, 40, 48, 64, 128, 256}) : pick({1, 8, 16});
    s.x = {1 + static_cast<std::int64_t>(random() % 9), of_group * s.groups};
    s.w = {filters * s.groups, of_group};
    double work = static_cast<double>(s.x[0] * filters * s.x[1]);
    bool exists = true;
    for (std::int64_t d = 0; d < dims; ++d) {
      const std::int64_t size = pick({1, 2, 4, 7, 8, 13, 16, 28, 32});
      const std::int64_t kernel = pick({1, 1, 2, 3, 3, 3, 5, 7});
      s.x.push_back(size);
      s.w.push_back(kernel);
      s.stride.push_back(pick({1, 1, 1, 2, 3}));
      s.dilation.push_back(pick({1, 1, 1, 2}));
      const std::int64_t window = s.dilation.back() * (kernel - 1) + 1;
      s.padding.push_back(std::min(pick({0, window / 2, window / 2, window - 1}), window - 1));
      exists = exists && size + 2 * s.padding.back() >= window;
      work *= static_cast<double>(kernel * size) / static_cast<double>(s.stride.back());
    }
    if (exists && work <= most) {
      return s;
    }
  }
}

TEST_CASE("convolutions are bitwise the same in any number of pieces", "[op]") {
  std::minstd_rand random(16);
  for (int i = 0; i < 150; ++i) {
    check_cuts(random_shape(random, 2e7));
  }
}

TEST_CASE("convolutions of networks are bitwise the same in any number of pieces", "[op]") {
  const auto square = [](std::int64_t batch, std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t kernel,
                         std::int64_t stride) {
    return Shape{
        {batch, in, size, size}, {out, in, kernel, kernel}, {stride, stride}, {kernel / 2, kernel / 2}, {1, 1}};
  };
  check_cuts(square(1, 64, 64, 32, 3, 1));   // by rows
  check_cuts(square(2, 64, 128, 32, 3, 2));  // dx: rows of a stride
  check_cuts(square(1, 64, 128, 32, 1, 2));
  check_cuts(square(3, 16, 32, 32, 5, 1));
  check_cuts(square(9, 128, 128, 16, 3, 1));
  check_cuts(square(8, 512, 512, 4, 3, 1));   // by filters on one thread too
  check_cuts(square(4, 256, 512, 12, 1, 1));  // filters cut would change the sums of blocks of channels
  check_cuts(square(1, 3, 64, 112, 7, 2));
  check_cuts({{1, 64, 500}, {64, 64, 5}, {1}, {2}, {1}});
  check_cuts({{1, 32, 8, 12, 12}, {32, 32, 3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}});
  check_cuts({{2, 64, 56, 56}, {64, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 64});
  check_cuts({{1, 128, 28, 28}, {128, 32, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 4});
  check_cuts({{2, 64, 14, 14}, {64, 32, 4, 4}, {2, 2}, {1, 1}, {1, 1}, 1, true});
}

TEST_CASE("convolutions in float64 are bitwise the same in any number of pieces", "[op]") {
  std::minstd_rand random(17);
  for (int i = 0; i < 60; ++i) {
    check_cuts(random_shape(random, 1e6), kFloat64);
  }
}

}  // namespace
}  // namespace backflow::test
