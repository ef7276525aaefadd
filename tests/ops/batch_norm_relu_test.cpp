// Batch normalization, addition and ReLU as one operator: bit by bit what the three give, in every dtype, form and
// number of threads.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/blocks.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Tensors = std::vector<Tensor>;

/// One call: its operands, and which of them want a gradient.
struct Problem {
  std::vector<std::int64_t> sizes;
  ScalarType dtype = kFloat32;
  std::int64_t block = 1;
  bool training = true;
  bool adds = false;
  bool affine = true;
  std::string wants = "xwbr";
  std::int64_t block_of_residual = 0;  ///< 0: that of x
  std::int64_t block_of_dy = 0;

  bool wants_any(char operand) const { return wants.find(operand) != std::string::npos; }
  Tensor tensor(const char* key, std::int64_t own_block) const {
    return in_blocks(random_tensor(sizes, key, dtype), own_block == 0 ? block : own_block);
  }
  Tensor parameter(const char* key) const { return affine ? random_tensor({sizes[1]}, key, dtype) : Tensor(); }
};

enum class Form { Fused, Composed };

Tensor call(Form form, const Problem& p, const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& mean,
            const Tensor& variance, const Tensor& residual) {
  if (form == Form::Fused) {
    return batch_norm_relu(x, w, b, mean, variance, residual, p.training, 0.1, 1e-3);
  }
  const Tensor z = batch_norm(x, w, b, mean, variance, p.training, 0.1, 1e-3, true);
  return relu(residual.defined() ? z + residual : z);
}

/// The result, the running statistics and all gradients; dy is a tensor that nobody else sees when `owns` says so.
Tensors run(Form form, const Problem& p, bool owns) {
  const Tensor x = p.tensor("x", 0);
  const Tensor residual = p.adds ? p.tensor("residual", p.block_of_residual) : Tensor();
  const Tensor w = p.parameter("w");
  const Tensor b = p.parameter("b");
  const Tensor mean = linspace(-1, 1, p.sizes[1]).to(p.dtype);
  const Tensor variance = linspace(0.5, 2, p.sizes[1]).to(p.dtype);
  Tensors leaves;
  for (const auto& [operand, leaf] : {std::pair{'x', x}, {'w', w}, {'b', b}, {'r', residual}}) {
    if (leaf.defined() && p.wants_any(operand)) {
      leaf.set_requires_grad(true);
      leaves.push_back(leaf);
    }
  }
  const Tensor y = call(form, p, x, w, b, mean, variance, residual);
  const Tensor dy = p.tensor("dy", p.block_of_dy);
  const Tensors gradients =
      owns ? autograd::grad({y * dy}, leaves, {ones(p.sizes, p.dtype)}) : autograd::grad({y}, leaves, {dy});
  if (p.block != 1 && p.block_of_residual == 0) {
    CHECK(kernels::block_of(y) == kept_block(p.sizes, p.block));
    CHECK(has_clear_padding(y));
    for (const Tensor& dx : gradients) {
      CHECK(has_clear_padding(dx));
    }
  }
  Tensors all{y, mean, variance};
  all.insert(all.end(), gradients.begin(), gradients.end());
  return all;
}

void check_equal(const Problem& p) {
  for (const bool owns : {false, true}) {
    CAPTURE(p.sizes, p.dtype, p.block, p.training, p.adds, p.affine, p.wants, owns);
    const Tensors expected = run(Form::Composed, p, owns);
    new_reorders();
    const Tensors found = run(Form::Fused, p, owns);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CAPTURE(i);
      CHECK(bitwise_equal(found[i], expected[i]));
    }
  }
}

void check_kinds(Problem p) {
  for (const bool training : {true, false}) {
    for (const bool adds : {false, true}) {
      p.training = training;
      p.adds = adds;
      check_equal(p);
    }
  }
}

Tensors on_threads(int threads, Form form, const Problem& p) {
  const int before = get_num_threads();
  set_num_threads(threads);
  Tensors all = run(form, p, true);
  set_num_threads(before);
  return all;
}

}  // namespace

TEST_CASE("batch_norm_relu: the composition's bits in blocks of any size", "[normalization]") {
  for (const std::int64_t channels : {1, 3, 5, 17, 24, 40}) {
    for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
      for (const std::int64_t block : {std::int64_t{1}, std::int64_t{8}, std::int64_t{16}, channels}) {
        check_kinds({.sizes = {3, channels, 5, 7}, .dtype = dtype, .block = block});
      }
    }
  }
}

TEST_CASE("batch_norm_relu: the composition's bits in other shapes", "[normalization]") {
  for (const std::int64_t block : {1, 2, 4, 7, 8, 16, 32, 64, 100}) {
    check_kinds({.sizes = {2, 20, 9}, .block = block});
    check_kinds({.sizes = {1, 33, 2, 3, 2}, .dtype = kFloat64, .block = block, .affine = false});
    check_kinds({.sizes = {5, 10}, .block = block});
    check_kinds({.sizes = {2, 10, 1, 2}, .dtype = kBFloat16, .block = block});
  }
  check_kinds({.sizes = {2, 48, 64, 33}, .block = 16});  // more than one run
  check_kinds({.sizes = {70, 32, 4, 4}, .block = 8});
  check_kinds({.sizes = {0, 3, 2}});
  check_kinds({.sizes = {2, 0, 2}});
  check_kinds({.sizes = {2, 3, 0}, .affine = false});
}

TEST_CASE("batch_norm_relu: any of the gradients alone", "[normalization]") {
  for (const char* wants : {"x", "w", "b", "r", "xr", "wr", "br", "xw", "wb"}) {
    for (const std::int64_t block : {1, 8}) {
      for (const bool training : {true, false}) {
        check_equal({.sizes = {3, 12, 5}, .block = block, .training = training, .adds = true, .wants = wants});
      }
    }
  }
}

TEST_CASE("batch_norm_relu: operands in different forms", "[normalization]") {
  for (const std::int64_t residual : {1, 8, 16}) {
    for (const std::int64_t dy : {1, 8, 16}) {
      check_kinds({.sizes = {2, 24, 3, 5}, .block = 16, .block_of_residual = residual, .block_of_dy = dy});
    }
  }
  const Problem strided{.sizes = {3, 4, 5}};
  for (const Form form : {Form::Fused, Form::Composed}) {
    const Tensor x = random_tensor({5, 4, 3}, "x").transpose(0, 2);
    const Tensor residual = random_tensor({3, 4, 10}, "r").slice(2, 0, 10, 2);
    const Tensor y = call(form, strided, x, {}, {}, {}, {}, residual);
    CHECK(bitwise_equal(y, call(Form::Fused, strided, x.contiguous(), {}, {}, {}, {}, residual.contiguous())));
  }
}

TEST_CASE("batch_norm_relu: nothing is reordered in blocks", "[normalization]") {
  const Tensor x = in_blocks(random_tensor({2, 24, 3, 5}, "x"), 16);
  const Tensor residual = in_blocks(random_tensor({2, 24, 3, 5}, "r"), 16);
  const Tensor dy = in_blocks(random_tensor({2, 24, 3, 5}, "dy"), 16);
  x.set_requires_grad(true);
  residual.set_requires_grad(true);
  new_reorders();
  const Tensor y = batch_norm_relu(x, {}, {}, {}, {}, residual, true, 0.1, 1e-5);
  const Tensors gradients = autograd::grad({y}, {x, residual}, {dy});
  CHECK(new_reorders() == 0);
  CHECK(kernels::block_of(gradients[0]) == 16);
  CHECK(kernels::block_of(gradients[1]) == 16);
}

TEST_CASE("batch_norm_relu: the composition's bits on any number of threads", "[normalization]") {
  for (const std::int64_t block : {1, 16}) {
    for (const bool adds : {false, true}) {
      for (const bool training : {true, false}) {
        const Problem p{.sizes = {8, 48, 17, 19}, .block = block, .training = training, .adds = adds};
        CAPTURE(block, adds, training);
        const Tensors expected = on_threads(1, Form::Composed, p);
        for (const int threads : {1, 2, 4, 8}) {
          CHECK(bitwise_equal(on_threads(threads, Form::Fused, p), expected));
        }
      }
    }
  }
}

TEST_CASE("batch_norm_relu: zeros, infinities and NaN as in the composition", "[normalization]") {
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    for (const bool training : {true, false}) {
      const Problem p{.sizes = {4, 3, 5}, .dtype = dtype, .training = training};
      Tensor x = random_tensor(p.sizes, "x");
      Tensor residual = random_tensor(p.sizes, "r");
      x[0][0][0] = std::numeric_limits<double>::quiet_NaN();
      x[1][1][1] = std::numeric_limits<double>::infinity();
      residual[0][2][0] = std::numeric_limits<double>::quiet_NaN();
      residual[1][2][0] = -std::numeric_limits<double>::infinity();
      residual[2][2][0] = -0.0;
      x = x.to(dtype);
      residual = residual.to(dtype);
      const Tensor mean = zeros({3}, dtype);
      const Tensor variance = ones({3}, dtype);
      const auto all = [&](Form form) {
        const Tensor from = x.detach().clone();
        const Tensor added = residual.detach().clone();
        from.set_requires_grad(true);
        added.set_requires_grad(true);
        const Tensor y = call(form, p, from, {}, {}, mean.clone(), variance.clone(), added);
        Tensors found = autograd::grad({y}, {from, added}, {random_tensor(p.sizes, "dy", dtype)});
        found.push_back(y);
        return found;
      };
      const Tensors found = all(Form::Fused);
      const Tensors expected = all(Form::Composed);
      for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i, dtype, training);
        CHECK(distance(array_of(found[i]), array_of(expected[i])) == 0);
      }
      CHECK(std::isnan(found[2][0][2][0].item<double>()));
    }
  }
}

TEST_CASE("batch_norm_relu: the residual may be the input", "[normalization]") {
  const Problem p{.sizes = {4, 6, 3}};
  const auto gradient = [&](Form form) {
    const Tensor x = random_tensor(p.sizes, "x");
    x.set_requires_grad(true);
    const Tensor y = call(form, p, x, {}, {}, {}, {}, x);
    return autograd::grad({(y * random_tensor(p.sizes, "dy")).sum()}, {x})[0];
  };
  CHECK(bitwise_equal(gradient(Form::Fused), gradient(Form::Composed)));
}

TEST_CASE("batch_norm_relu: a result that changed before backward is found", "[normalization]") {
  const Tensor x = random_tensor({4, 3, 5}, "x");
  x.set_requires_grad(true);
  const Tensor y = batch_norm_relu(x, {}, {}, {}, {}, {}, true, 0.1, 1e-5);
  {
    const NoGradGuard off;
    y.add_(1);
  }
  CHECK_THROWS_AS(y.sum().backward(), Error);
}

TEST_CASE("errors: batch_norm_relu", "[normalization]") {
  check_all({
      {"batch_norm_relu: input f32[1, 3]: need more than 1 value per channel when training",
       [] {
         batch_norm_relu(f32({1, 3}), {}, {}, {}, {}, {}, true, 0.1, 1e-5);
       }},
      {"batch_norm_relu: weight f32[2], input f32[4, 3]: need the input's dtype and sizes [3]",
       [] {
         batch_norm_relu(f32({4, 3}), f32({2}), {}, {}, {}, {}, true, 0.1, 1e-5);
       }},
      {"batch_norm_relu: residual f32[3], input f32[4, 3]: need the input's dtype and sizes",
       [] {
         batch_norm_relu(f32({4, 3}), {}, {}, {}, {}, f32({3}), true, 0.1, 1e-5);
       }},
      {"native_batch_norm_relu: residual f64[4, 3], input f32[4, 3]: need the input's dtype and sizes",
       [] {
         native_batch_norm_relu(f32({4, 3}), {}, {}, {}, {}, f64({4, 3}), true, 0.1, 1e-5);
       }},
      {"batch_norm_relu: running_mean undefined, running_var f32[3]: need both where the statistics of the input are "
       "not used",
       [] {
         batch_norm_relu(f32({4, 3}), {}, {}, {}, f32({3}), {}, false, 0.1, 1e-5);
       }},
      {"batch_norm_relu: input f32[3]: need a floating-point tensor [batch, channels, ...]",
       [] { batch_norm_relu(f32({3}), {}, {}, {}, {}, {}, true, 0.1, 1e-5); }},
  });
}
