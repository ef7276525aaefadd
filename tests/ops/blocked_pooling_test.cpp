// Pooling of tensors that are kept in channel blocks: the same bits as of row-major ones, and no reorder.
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/blocks.h>

using namespace backflow;
using namespace backflow::test;

namespace {

struct Case {
  const char* name;
  std::vector<std::int64_t> sizes;
  std::function<Tensor(const Tensor&)> call;
  bool row_major = false;  ///< the result, whatever the operand
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kAll = {
      {"max_pool1d", {2, 24, 9}, [](const Tensor& x) { return max_pool1d(x, 2); }},
      {"max_pool1d overlapping", {1, 5, 11}, [](const Tensor& x) { return max_pool1d(x, 3, 1, 1); }},
      {"max_pool2d", {2, 40, 6, 8}, [](const Tensor& x) { return max_pool2d(x, 2); }},
      {"max_pool2d odd", {3, 17, 7, 5}, [](const Tensor& x) { return max_pool2d(x, 2); }},
      {"max_pool2d overlapping", {2, 24, 6, 19}, [](const Tensor& x) { return max_pool2d(x, 3, 1, 1); }},
      {"max_pool2d resnet", {1, 3, 11, 35}, [](const Tensor& x) { return max_pool2d(x, 3, 2, 1); }},
      {"max_pool2d asymmetric",
       {2, 5, 9, 7},
       [](const Tensor& x) {
         return max_pool2d(x, {3, 2}, {1, 4}, {1, 0}, {2, 1}, true);
       }},
      {"max_pool2d large window", {1, 17, 6, 7}, [](const Tensor& x) { return max_pool2d(x, 5, 1, 2); }},
      {"max_pool2d largest window",
       {1, 24, 20, 21},
       [](const Tensor& x) {
         return max_pool2d(x, {16, 17}, 3, 2);
       }},
      {"max_pool2d to one", {2, 40, 3, 3}, [](const Tensor& x) { return max_pool2d(x, 3); }},
      {"max_pool2d_with_indices",
       {2, 24, 6, 6},
       [](const Tensor& x) { return std::get<0>(max_pool2d_with_indices(x, 3, 2, 1)); }},
      {"max_pool3d", {1, 17, 4, 5, 6}, [](const Tensor& x) { return max_pool3d(x, 2, 2, 1); }},
      {"max_pool of many channels", {1, 136, 4, 4}, [](const Tensor& x) { return max_pool2d(x, 2, 1); }},
      {"adaptive_max_pool2d",
       {2, 24, 7, 5},
       [](const Tensor& x) {
         return std::get<0>(adaptive_max_pool2d(x, {3, 2}));
       }},
      {"avg_pool1d", {2, 17, 9}, [](const Tensor& x) { return avg_pool1d(x, 3, 2, 1, true); }},
      {"avg_pool2d", {2, 40, 6, 8}, [](const Tensor& x) { return avg_pool2d(x, 2); }},
      {"avg_pool2d overlapping", {2, 24, 6, 19}, [](const Tensor& x) { return avg_pool2d(x, 3, 1, 1); }},
      {"avg_pool2d ceil", {1, 3, 7, 33}, [](const Tensor& x) { return avg_pool2d(x, 3, 2, 1, true, false); }},
      {"avg_pool2d divisor", {1, 5, 7, 8}, [](const Tensor& x) { return avg_pool2d(x, 2, 3, 0, false, true, 3); }},
      {"avg_pool3d", {1, 17, 4, 5, 6}, [](const Tensor& x) { return avg_pool3d(x, 3, 2, 1); }},
      {"adaptive_avg_pool2d",
       {2, 24, 7, 5},
       [](const Tensor& x) {
         return adaptive_avg_pool2d(x, {3, 2});
       }},
      {"adaptive_avg_pool2d to one", {2, 40, 5, 7}, [](const Tensor& x) { return adaptive_avg_pool2d(x, 1); }, true},
      {"adaptive_avg_pool1d to one", {2, 3, 21}, [](const Tensor& x) { return adaptive_avg_pool1d(x, 1); }, true},
      {"adaptive_avg_pool3d to one", {1, 17, 2, 3, 4}, [](const Tensor& x) { return adaptive_avg_pool3d(x, 1); }, true},
  };
  return kAll;
}

struct Results {
  Tensor y;
  Tensor dx;
  Tensor ddy;
};

/// The result, its gradient and the gradient of that, which is linear in dy.
Results run(const Case& c, const Tensor& x, const Tensor& dy, const Tensor& g) {
  Results r;
  r.y = c.call(x);
  r.dx = autograd::grad({r.y}, {x}, {dy}, true, true)[0];
  r.ddy = autograd::grad({r.dx}, {dy}, {g})[0];
  return r;
}

}  // namespace

TEST_CASE("pooling in channel blocks gives the bits of row-major tensors without a reorder") {
  for (const Case& c : cases()) {
    for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
      const Tensor x = random_tensor(c.sizes, c.name, dtype).set_requires_grad(true);
      const Tensor y = c.call(x);
      const Tensor dy = random_tensor(y.sizes().vec(), std::string(c.name) + "dy", dtype).set_requires_grad(true);
      const Tensor g = random_tensor(c.sizes, std::string(c.name) + "g", dtype);
      const Results plain = run(c, x, dy, g);
      for (const std::int64_t block : {std::int64_t{8}, std::int64_t{16}, c.sizes[1]}) {
        CAPTURE(c.name, short_name(dtype), block);
        const Tensor x_blocked = in_blocks(x, block).set_requires_grad(true);
        const Tensor dy_blocked = (c.row_major ? dy.detach().clone() : in_blocks(dy, block)).set_requires_grad(true);
        const Tensor g_blocked = in_blocks(g, block);
        new_reorders();
        const Results blocked = run(c, x_blocked, dy_blocked, g_blocked);
        CHECK(new_reorders() == 0);
        CHECK(kernels::block_of(blocked.y) == (c.row_major ? 1 : kept_block(y.sizes(), block)));
        CHECK(kernels::block_of(blocked.dx) == kept_block(x.sizes(), block));
        CHECK(has_clear_padding(blocked.y));
        CHECK(has_clear_padding(blocked.dx));
        CHECK(has_clear_padding(blocked.ddy));
        CHECK(bitwise_equal(blocked.y, plain.y));
        CHECK(bitwise_equal(blocked.dx, plain.dx));
        CHECK(bitwise_equal(blocked.ddy, plain.ddy));
      }
    }
  }
}

TEST_CASE("pooling in channel blocks brings a gradient that lies in another way into the blocks of its operand") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const Tensor x = random_tensor(c.sizes, c.name).set_requires_grad(true);
    const Tensor y = c.call(x);
    const Tensor dy = random_tensor(y.sizes().vec(), "dy");
    const Tensor x_blocked = in_blocks(x, 8).set_requires_grad(true);
    const Tensor dx = autograd::grad({c.call(x_blocked)}, {x_blocked}, {dy})[0];
    CHECK(kernels::block_of(dx) == kept_block(x.sizes(), 8));
    CHECK(bitwise_equal(dx, autograd::grad({y}, {x}, {dy})[0]));
  }
}

TEST_CASE("pooling in channel blocks gives the indices of row-major tensors") {
  const Tensor x = random_tensor({2, 24, 7, 6}, "indices");
  const auto [y, indices] = max_pool2d_with_indices(x, 3, 2, 1, 1, true);
  for (const std::int64_t block : {8, 16, 24}) {
    const auto [y_blocked, indices_blocked] = max_pool2d_with_indices(in_blocks(x, block), 3, 2, 1, 1, true);
    CHECK(bitwise_equal(y_blocked, y));
    CHECK(bitwise_equal(indices_blocked, indices));
  }
}

TEST_CASE("max pooling: NaN wins, and of equal elements the first") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const Tensor x = tensor({1.0F, kNan, 3.0F, kNan, 2.0F, 2.0F, -kInf, -kInf, 0.0F, -0.0F}).reshape({1, 1, 10});
  for (const Tensor& one : {x, in_blocks(x.expand({1, 3, 10}).contiguous(), 8)}) {
    const auto [y, indices] = max_pool1d_with_indices(one, 2);
    const Tensor values = y.contiguous();
    CHECK(std::isnan(values.data_ptr<float>()[0]));
    CHECK(std::isnan(values.data_ptr<float>()[1]));
    CHECK(values.data_ptr<float>()[2] == 2);
    CHECK(values.data_ptr<float>()[3] == -kInf);
    const std::vector<std::int64_t> want = {1, 3, 4, 6, 8};
    CHECK(std::equal(want.begin(), want.end(), indices.contiguous().data_ptr<std::int64_t>()));
  }
}

TEST_CASE("adaptive pooling to no outputs has a gradient of zeros") {
  const Tensor x = ones({1, 3, 4, 5}).set_requires_grad(true);
  for (const Tensor& y : {adaptive_avg_pool2d(x, {0, 2}), std::get<0>(adaptive_max_pool2d(x, {0, 2}))}) {
    CHECK(y.sizes() == IntArrayRef({1, 3, 0, 2}));
    CHECK(bitwise_equal(autograd::grad({y}, {x}, {ones({1, 3, 0, 2})})[0], zeros({1, 3, 4, 5})));
  }
}

TEST_CASE("pooling that records nothing gives the same as one that does") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const Tensor x = random_tensor(c.sizes, c.name);
    const Tensor recorded = c.call(x.clone().set_requires_grad(true));
    CHECK(bitwise_equal(c.call(x), recorded));
    CHECK(bitwise_equal(c.call(in_blocks(x, 8)), recorded));
  }
}

TEST_CASE("pooling of one large plane, cut into pieces, gives the bits of one among many that are not cut") {
  struct Large {
    std::vector<std::int64_t> sizes;
    std::function<Tensor(const Tensor&)> call;
  };
  for (const Large& c : {Large{{1, 1, 300, 90}, [](const Tensor& x) { return max_pool2d(x, 3, 1, 1); }},
                         Large{{1, 1, 301, 91},
                               [](const Tensor& x) {
                                 return max_pool2d(x, {5, 3}, 2, 1, {2, 1}, true);
                               }},
                         Large{{1, 1, 301, 91}, [](const Tensor& x) { return max_pool2d(x, 4, 3, 2); }},
                         Large{{1, 1, 300, 90}, [](const Tensor& x) { return max_pool2d(x, 2); }},
                         Large{{1, 1, 299, 90}, [](const Tensor& x) { return avg_pool2d(x, 3, 1, 1); }},
                         Large{{1, 1, 301, 90},
                               [](const Tensor& x) {
                                 return std::get<0>(adaptive_max_pool2d(x, {70, 40}));
                               }},
                         Large{{1, 1, 40, 30, 31}, [](const Tensor& x) { return max_pool3d(x, 3, 2, 1); }},
                         Large{{1, 1, 40, 30, 31}, [](const Tensor& x) { return avg_pool3d(x, 2, 1); }},
                         Large{{1, 1, 300, 90}, [](const Tensor& x) { return adaptive_avg_pool2d(x, 1); }}}) {
    CAPTURE(c.sizes);
    std::vector<std::int64_t> many = c.sizes;
    many[0] = 33;  // planes
    const Tensor x = random_tensor(c.sizes, "large").set_requires_grad(true);
    const Tensor uncut = x.detach().expand(many).contiguous().set_requires_grad(true);
    const Tensor y = c.call(uncut);
    CHECK(bitwise_equal(c.call(x), y.select(0, 32).unsqueeze(0)));
    const Tensor dy = random_tensor(c.call(x.detach()).sizes().vec(), "dy");
    const Tensor dx = autograd::grad({y}, {uncut}, {dy.expand(y.sizes()).contiguous()})[0].select(0, 32).unsqueeze(0);
    CHECK(bitwise_equal(autograd::grad({c.call(x)}, {x}, {dy})[0], dx));
    std::vector<std::int64_t> channels = c.sizes;
    channels[1] = 5;
    const Tensor x_blocked = in_blocks(x.detach().expand(channels).contiguous(), 8).set_requires_grad(true);
    const Tensor y_blocked = c.call(x_blocked);
    CHECK(bitwise_equal(y_blocked.select(1, 4).unsqueeze(1), c.call(x)));
    const Tensor dx_blocked = autograd::grad({y_blocked}, {x_blocked}, {dy.expand(y_blocked.sizes()).contiguous()})[0];
    CHECK(bitwise_equal(dx_blocked.select(1, 4).unsqueeze(1), dx));
  }
}
