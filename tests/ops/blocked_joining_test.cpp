// Concatenation of tensors that are kept in channel blocks.
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/threads/cuts.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/blocks.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr std::int64_t kChannelsLast = 0;

std::vector<Tensor> operands(const std::vector<std::int64_t>& channels, ScalarType dtype) {
  std::vector<Tensor> tensors;
  for (const std::int64_t c : channels) {
    tensors.push_back(random_tensor({2, c, 3, 5}, "cat" + std::to_string(tensors.size()), dtype));
    tensors.back().set_requires_grad(true);
  }
  return tensors;
}

}  // namespace

TEST_CASE("cat of channels in blocks gives the bits of row-major tensors without a reorder") {
  for (const std::vector<std::int64_t>& channels : std::vector<std::vector<std::int64_t>>{
           {16, 32}, {24, 40}, {3, 5}, {17, 1, 8, 24}, {32, 5}, {5, 32}, {1, 1, 1}, {40}}) {
    for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
      const std::vector<Tensor> plain = operands(channels, dtype);
      const Tensor y = cat(plain, 1);
      const Tensor dy = random_tensor(y.sizes().vec(), "dy", dtype);
      const std::vector<Tensor> dx = autograd::grad({y}, plain, {dy});
      for (const std::int64_t size : {std::int64_t{8}, std::int64_t{16}, kChannelsLast}) {
        CAPTURE(channels, short_name(dtype), size);
        const auto block_for = [&](std::int64_t c) { return size == kChannelsLast ? c : size; };
        std::vector<Tensor> blocked;
        for (const Tensor& x : plain) {
          blocked.push_back(in_blocks(x, block_for(x.sizes()[1])).set_requires_grad(true));
        }
        const Tensor dy_blocked = in_blocks(dy, block_for(y.sizes()[1]));
        new_reorders();
        const Tensor joined = cat(blocked, 1);
        const std::vector<Tensor> parts = autograd::grad({joined}, blocked, {dy_blocked});
        CHECK(new_reorders() == 0);
        // A single channel in one block is row-major.
        const bool has_blocks = size != kChannelsLast || channels != std::vector<std::int64_t>{1, 1, 1};
        CHECK(kernels::block_of(joined) == (has_blocks ? block_for(y.sizes()[1]) : 1));
        CHECK(has_clear_padding(joined));
        CHECK(bitwise_equal(joined, y));
        for (std::size_t i = 0; i < parts.size(); ++i) {
          CHECK((channels[i] == 1 || kernels::block_of(parts[i]) == block_for(channels[i])));
          CHECK(has_clear_padding(parts[i]));
          CHECK(bitwise_equal(parts[i], dx[i]));
        }
      }
    }
  }
}

TEST_CASE("cuts: cat of channels in blocks copies the same bits in any number of pieces") {
  std::vector<Tensor> blocked;
  for (const Tensor& x : operands({48, 16, 5, 24}, kFloat32)) {
    blocked.push_back(in_blocks(x, 16).set_requires_grad(true));
  }
  const Tensor y = cat(blocked, 1).detach();
  const Tensor dy = in_blocks(random_tensor(y.sizes().vec(), "dy", kFloat32), 16);
  const std::vector<Tensor> dx = autograd::grad({cat(blocked, 1)}, blocked, {dy});
  for (const std::int64_t pieces : {1, 2, 3, 7, 64}) {
    CAPTURE(pieces);
    const ForcedPieces forced(pieces);
    const Tensor joined = cat(blocked, 1);
    CHECK(bitwise_equal(joined, y));
    const std::vector<Tensor> parts = autograd::grad({joined}, blocked, {dy});
    for (std::size_t i = 0; i < parts.size(); ++i) {
      CHECK(bitwise_equal(parts[i], dx[i]));
      CHECK(has_clear_padding(parts[i]));
    }
  }
}

TEST_CASE("cat brings operands into the blocks of the first that has any") {
  const std::vector<Tensor> plain = operands({24, 17, 40}, kFloat32);
  const Tensor y = cat(plain, 1);
  const Tensor mixed = cat({plain[0], in_blocks(plain[1], 8), in_blocks(plain[2], 16)}, 1);
  CHECK(kernels::block_of(mixed) == 8);
  CHECK(has_clear_padding(mixed));
  CHECK(bitwise_equal(mixed, y));
}

TEST_CASE("cat of tensors in blocks along other dimensions and of several dtypes gives row-major tensors") {
  const std::vector<Tensor> plain = operands({24, 24}, kFloat32);
  const std::vector<Tensor> blocked = {in_blocks(plain[0], 16), in_blocks(plain[1], 16)};
  for (const std::int64_t dim : {0, 2, 3}) {
    CHECK(bitwise_equal(cat(blocked, dim), cat(plain, dim)));
  }
  const Tensor wide = plain[1].to(kFloat64);
  CHECK(bitwise_equal(cat({blocked[0], wide}, 1), cat({plain[0], wide}, 1)));
}

TEST_CASE("cat in blocks has second derivatives") {
  const std::vector<Tensor> plain = operands({24, 5}, kFloat64);
  const std::vector<Tensor> blocked = {in_blocks(plain[0], 16).set_requires_grad(true),
                                       in_blocks(plain[1], 16).set_requires_grad(true)};
  const auto second = [](const std::vector<Tensor>& x) {
    const Tensor y = cat(x, 1);
    const Tensor dx = autograd::grad({(y * y * y).sum()}, {x[1]}, {}, true, true)[0];
    return autograd::grad({dx.sum()}, {x[1]})[0];
  };
  CHECK(bitwise_equal(second(blocked), second(plain)));
}
