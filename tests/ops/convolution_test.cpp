// The float32 convolutions of oneDNN against the plain ones in float64, and the layouts that they leave behind.
#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>
#include <thread>
#include <vector>

#include <backflow/ops/kernel_counts.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/winograd.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/convolution_shape.h>

#include <backflow/tests/catch2.h>

namespace backflow::test {
namespace {

using Shape = ConvolutionShape;  // large enough for oneDNN

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> kShapes = {
      {{4, 3, 13, 11}, {16, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {{3, 5, 12, 9}, {17, 5, 3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {{2, 17, 9, 9}, {24, 17, 3, 3}, {2, 2}, {1, 1}, {1, 1}},
      {{2, 24, 7, 7}, {40, 24, 3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {{5, 40, 7, 5}, {3, 40, 5, 5}, {1, 1}, {2, 2}, {1, 1}},
      {{2, 16, 15, 13}, {32, 16, 3, 3}, {2, 2}, {1, 1}, {1, 1}},
      {{2, 32, 14, 14}, {16, 32, 3, 3}, {2, 2}, {0, 0}, {1, 1}},
      {{2, 24, 10, 11}, {40, 24, 1, 1}, {1, 1}, {0, 0}, {1, 1}},
      {{2, 64, 9, 9}, {32, 64, 1, 1}, {2, 2}, {0, 0}, {1, 1}},
      {{2, 16, 17, 19}, {16, 16, 3, 3}, {1, 1}, {2, 2}, {2, 2}},
      {{2, 16, 11, 10}, {24, 16, 3, 2}, {2, 1}, {1, 0}, {1, 3}},
      {{2, 32, 11, 10}, {48, 8, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 4},
      {{2, 15, 11, 10}, {9, 5, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 3},
      {{4, 32, 14, 14}, {32, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 32},
      {{4, 17, 14, 14}, {17, 1, 3, 3}, {2, 2}, {1, 1}, {1, 1}, 17},
      {{9, 64, 8, 8}, {128, 64, 3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {{4, 128, 4, 4}, {256, 128, 3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {{1, 64, 20, 20}, {128, 64, 3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {{2, 128, 14, 14}, {256, 128, 3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {{1, 64, 2000}, {128, 64, 5}, {1}, {2}, {1}},
      {{3, 16, 50}, {24, 16, 5}, {2}, {2}, {1}},
      {{3, 5, 200}, {7, 5, 9}, {1}, {4}, {1}},
      {{2, 16, 6, 7, 8}, {16, 16, 3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
      {{2, 3, 6, 7, 8}, {5, 3, 3, 3, 3}, {2, 1, 2}, {1, 0, 1}, {1, 1, 1}},
      {{2, 16, 7, 7}, {16, 24, 3, 3}, {2, 2}, {1, 1}, {1, 1}, 1, true},
      {{2, 17, 7, 7}, {17, 5, 4, 4}, {2, 2}, {1, 1}, {1, 1}, 1, true},
      {{2, 32, 6, 6}, {32, 4, 2, 2}, {2, 2}, {0, 0}, {1, 1}, 4, true},
  };
  return kShapes;
}

Tensor convolve(const Shape& s, const Tensor& x, const Tensor& w, const Tensor& b) {
  return convolution(x, w, b, s.stride, s.padding, s.dilation, s.transposed, 0, s.groups);
}

/// y, then the gradients of x, w and b for a y that is multiplied by itself.
std::vector<Tensor> run(const Shape& s, ScalarType dtype) {
  const std::int64_t filters = s.transposed ? s.w[1] * s.groups : s.w[0];
  Tensor x = to(random_tensor(s.x, "x", kFloat64), dtype).set_requires_grad(true);
  Tensor w = to(random_tensor(s.w, "w", kFloat64), dtype).set_requires_grad(true);
  Tensor b = to(random_tensor({filters}, "b", kFloat64), dtype).set_requires_grad(true);
  const Tensor y = convolve(s, x, w, b);
  std::vector<Tensor> out = autograd::grad({(y * y).sum()}, {x, w, b});
  out.insert(out.begin(), y.detach());
  return out;
}

double relative_error(const Tensor& x, const Tensor& exact) {
  const Tensor wide = to(x, kFloat64);
  return ((wide - exact).abs().max() / exact.abs().max()).item<double>();
}

std::string title(const Shape& s) {
  std::ostringstream text;
  text << "x " << IntArrayRef(s.x) << ", w " << IntArrayRef(s.w) << ", stride " << IntArrayRef(s.stride) << ", groups "
       << s.groups << (s.transposed ? ", transposed" : "");
  return text.str();
}

TEST_CASE("convolutions by oneDNN agree with those in float64", "[op]") {
  for (const Shape& s : shapes()) {
    INFO(title(s));
    const KernelCounts before = kernel_counts();
    const std::vector<Tensor> fast = run(s, kFloat32);
    CHECK(kernel_counts().reference_calls == before.reference_calls);
    const std::vector<Tensor> exact = run(s, kFloat64);
    for (std::size_t i = 0; i < fast.size(); ++i) {
      INFO("result " << i);
      CHECK(fast[i].sizes() == exact[i].sizes());
      CHECK(relative_error(fast[i], exact[i]) < 5e-6);
    }
  }
}

TEST_CASE("Winograd's algorithm stays within its error bounds", "[op]") {
  const Shape s{{16, 64, 32, 32}, {64, 64, 3, 3}, {1, 1}, {1, 1}, {1, 1}};
  const std::vector<Tensor> exact = run(s, kFloat64);
  set_winograd(true);
  const std::vector<Tensor> fast = run(s, kFloat32);
  set_winograd(false);
  const auto rms = [](const Tensor& x) { return x.square().mean().sqrt(); };
  for (const auto& [i, bound] : {std::pair{0, 4e-5}, {1, 4e-5}, {2, 2e-4}}) {
    INFO("result " << i);
    const auto at = static_cast<std::size_t>(i);
    CHECK(((to(fast[at], kFloat64) - exact[at]).abs().max() / rms(exact[at])).item<double>() < bound);
  }
}

TEST_CASE("convolutions are bitwise the same on any number of threads", "[op]") {
  for (const Shape& s : shapes()) {
    INFO(title(s));
    const int usual = get_num_threads();
    set_num_threads(1);
    const std::vector<Tensor> expected = run(s, kFloat32);
    for (const int threads : {2, 8}) {
      set_num_threads(threads);
      CHECK(bitwise_equal(run(s, kFloat32), expected));
    }
    set_num_threads(usual);
  }
}

/// Two convolutions, whose weights are copies that nobody has the address of.
struct Chain {
  Tensor x = random_tensor({4, 24, 9, 9}, "x");
  Tensor first = random_tensor({40, 24, 3, 3}, "first").clone().set_requires_grad(true);
  Tensor second = random_tensor({17, 40, 3, 3}, "second").clone().set_requires_grad(true);
};

TEST_CASE("a chain of convolutions stays in oneDNN's layout", "[op]") {
  const Chain c;
  const Tensor h = relu(conv2d(c.x, c.first, {}, 1, 1));
  const Tensor y = conv2d(h, c.second, {}, 1, 1);
  CHECK(kernels::block_of(h) > 1);
  CHECK(kernels::block_of(y) > 1);
  const KernelCounts before = kernel_counts();
  const Tensor again = conv2d(relu(h + h), c.second, {}, 1, 1);
  CHECK(kernels::block_of(again) > 1);
  CHECK(kernel_counts().activation_reorders == before.activation_reorders);
}

TEST_CASE("padding channels stay zero where f(0) is not", "[op]") {
  const Chain c;
  const Tensor h = conv2d(c.x, c.first, {}, 1, 1);
  const Tensor y = conv2d(sigmoid(h), c.second.detach().narrow(1, 0, 40), {}, 1, 1);
  const Tensor plain = conv2d(sigmoid(h.detach().clone()), c.second.detach(), {}, 1, 1);
  CHECK(bitwise_equal(y.detach().clone(), plain.clone()));
  const kernels::Blocked blocked = kernels::blocked(sigmoid(conv2d(c.x, c.first.detach(), {}, 1, 1)));
  REQUIRE(blocked);
  const ChannelBlocks& b = blocked.blocks;
  REQUIRE(b.is_padded());
  const std::int64_t rest = b.channels % b.block;
  const Tensor last = view_of(blocked.elements, {b.batch, b.spatial, b.block - rest}, {b.sample_elements(), b.block, 1},
                              (b.blocks() - 1) * b.spatial * b.block + rest);
  CHECK(last.abs().sum().item<double>() == 0);
}

TEST_CASE("a tensor in oneDNN's layout is an ordinary one to everybody else", "[op]") {
  const Chain c;
  const auto fresh = [&] { return conv2d(c.x, c.first.detach(), {}, 1, 1); };
  const Tensor expected = fresh().clone();
  REQUIRE(kernels::block_of(expected) == 1);

  SECTION("elements, through pointers and accessors") {
    const Tensor y = fresh();
    REQUIRE(kernels::block_of(y) > 1);
    CHECK(std::memcmp(y.data_ptr<float>(), expected.data_ptr<float>(), expected.nbytes()) == 0);
    CHECK(kernels::block_of(y) == 1);
    const Tensor z = fresh();
    CHECK(z.accessor<float, 4>()[3][39][8][8] == expected.accessor<float, 4>()[3][39][8][8]);
  }
  SECTION("views") {
    const Tensor y = fresh();
    const Tensor channels = y.narrow(1, 7, 20);
    const Tensor rows = y.flatten(1);
    CHECK(bitwise_equal(channels.clone(), expected.narrow(1, 7, 20).clone()));
    CHECK(bitwise_equal(rows.clone(), expected.flatten(1).clone()));
    CHECK(bitwise_equal(fresh().permute({0, 2, 3, 1}).contiguous(), expected.permute({0, 2, 3, 1}).contiguous()));
    CHECK(bitwise_equal(fresh().flatten(2).clone(), expected.flatten(2).clone()));
    CHECK(bitwise_equal(relu(fresh().flatten(2)).clone(), relu(expected.flatten(2))));
  }
  SECTION("changes in place") {
    const Tensor y = fresh();
    y.narrow(1, 0, 3).zero_();
    y.mul_(2);
    const Tensor plain = expected.clone();
    plain.narrow(1, 0, 3).zero_();
    plain.mul_(2);
    CHECK(bitwise_equal(y, plain));
    const Tensor z = fresh();
    const Tensor look = z.narrow(1, 1, 2);
    z.relu_();
    z.add_(z);
    CHECK(bitwise_equal(look.clone(), (relu(expected) + relu(expected)).narrow(1, 1, 2).clone()));
  }
  SECTION("several threads at once") {
    for (int i = 0; i < 20; ++i) {
      const Tensor y = fresh();
      std::array<bool, 8> equal{};
      std::vector<std::thread> threads;
      for (std::size_t t = 0; t < equal.size(); ++t) {
        threads.emplace_back([&, t] { equal[t] = t % 2 == 0 ? y.equal(expected) : relu(y).equal(relu(expected)); });
      }
      for (std::thread& thread : threads) {
        thread.join();
      }
      CHECK(std::all_of(equal.begin(), equal.end(), [](bool e) { return e; }));
    }
  }
  SECTION("operands of broadcasting, reductions, printing") {
    CHECK(bitwise_equal(fresh() + c.first.detach().flatten()[3], expected + c.first.detach().flatten()[3]));
    CHECK(bitwise_equal(fresh() * random_tensor({1, 40, 1, 1}, "s"), expected * random_tensor({1, 40, 1, 1}, "s")));
    CHECK(bitwise_equal(fresh().sum({0, 2, 3}), expected.sum({0, 2, 3})));
    std::ostringstream a;
    std::ostringstream b;
    a << fresh();
    b << expected;
    CHECK(a.str() == b.str());
  }
}

TEST_CASE("weights are packed once for each form and update", "[op]") {
  const Chain c;
  const auto packs_of = [&](const auto& body) {
    const std::int64_t before = kernel_counts().weight_reorders;
    body();
    return kernel_counts().weight_reorders - before;
  };
  const auto step = [&] {
    const Tensor y = conv2d(relu(conv2d(c.x, c.first, {}, 1, 1)), c.second, {}, 1, 1);
    y.sum().backward();
  };
  CHECK(packs_of(step) == 3);  // forward of both, and the gradient of what is between them
  CHECK(packs_of(step) == 0);
  {
    const NoGradGuard no_grad;
    c.second.add_(1);
  }
  CHECK(packs_of(step) == 2);
  c.first.data().mul_(2);
  CHECK(packs_of(step) == 1);
  CHECK(packs_of(step) == 0);
}

TEST_CASE("packed weights that are updated after every use take no memory", "[op]") {
  const Chain c;
  const auto held_after_step = [&] {
    const NoGradGuard no_grad;
    c.second.add_(1);
    const std::int64_t before = memory_stats().current_bytes;
    static_cast<void>(conv2d(c.x.new_ones({4, 40, 9, 9}), c.second.detach(), {}, 1, 1));
    return memory_stats().current_bytes - before;
  };
  const std::int64_t first = held_after_step();
  CHECK(first >= c.second.numel() * 4);
  CHECK(held_after_step() <= 0);
  CHECK(held_after_step() == 0);
}

TEST_CASE("whoever writes through a pointer is seen by the next convolution", "[op]") {
  const Chain c;
  const Tensor x = c.x;
  const Tensor w = c.first.detach().clone();
  const Tensor before = conv2d(x, w, {}, 1, 1).clone();
  float* elements = w.data_ptr<float>();
  for (const float value : {1.0F, 2.0F}) {
    elements[5] = value;
    CHECK(bitwise_equal(conv2d(x, w, {}, 1, 1).clone(), conv2d(x, w.clone(), {}, 1, 1).clone()));
  }
}

}  // namespace
}  // namespace backflow::test
