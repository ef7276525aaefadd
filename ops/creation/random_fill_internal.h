#pragma once

// Tensors are filled with random numbers from blocks of Philox's words.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <optional>
#include <tuple>

#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::detail {

using Words = Philox4x32::Counter;

inline constexpr std::int64_t kRandomStep = 512;  // elements, that is whole blocks and cache lines, where ranges begin

/// Set in the streams of tensors, so that those that others make of the same seed are apart.
inline constexpr std::uint64_t kTensorStreams = std::uint64_t{1} << 62;

/// Fills x[0, n): each block of four random words gives the elements that `f(words)` returns as an array. Words follow
/// from the block's number, so the cut for the threads is free. `f` takes about `nanoseconds`.
template <class T, class F>
void fill_blocks(T* x, std::int64_t n, Generator::State from, double nanoseconds, const F& f) {
  constexpr auto kPerBlock = static_cast<std::int64_t>(std::tuple_size_v<decltype(f(Words{}))>);
  const std::uint64_t stream = kTensorStreams | from.offset;
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  constexpr double kOfWords = 10;  // nanoseconds
  const double all = (kOfWords + nanoseconds) * static_cast<double>(n / kPerBlock + 1);
  const auto fill = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += kPerBlock) {
      const auto block = static_cast<std::uint64_t>(i / kPerBlock);
      const auto values =
          f(Philox4x32::block({low(block), high(block), low(stream), high(stream)}, {low(from.seed), high(from.seed)}));
      std::copy_n(values.begin(), std::min(kPerBlock, end - i), x + i);
    }
  };
  parallel_ranges(n, all, fill, kRandomStep);
}

inline constexpr double kUniformNanoseconds = 2;  // of one block
inline constexpr double kNormalNanoseconds = 60;

inline std::uint64_t join(std::uint32_t low, std::uint32_t high) { return low | (std::uint64_t{high} << 32); }

/// Numbers in [0, 1): four floats or two doubles.
inline std::array<float, 4> uniform_block(const Words& w, float) {
  std::array<float, 4> u;
  std::transform(w.begin(), w.end(), u.begin(), [](std::uint32_t v) { return static_cast<float>(v >> 8) * 0x1p-24F; });
  return u;
}
inline std::array<double, 2> uniform_block(const Words& w, double) {
  const auto number = [](std::uint64_t v) { return static_cast<double>(v >> 11) * 0x1p-53; };
  return {number(join(w[0], w[1])), number(join(w[2], w[3]))};
}

/// Two standard normal numbers from u in (0, 1] and v in [0, 1).
inline std::array<double, 2> box_muller(double u, double v) {
  const double r = std::sqrt(-2 * std::log(u));
  const double angle = 2 * std::numbers::pi * v;
  return {r * std::cos(angle), r * std::sin(angle)};
}

inline std::array<float, 4> normal_block(const Words& w, float) {
  std::array<float, 4> z;
  for (std::size_t i = 0; i < 4; i += 2) {
    const auto pair = box_muller((w[i] + 1.0) * 0x1p-32, w[i + 1] * 0x1p-32);
    z[i] = static_cast<float>(pair[0]);
    z[i + 1] = static_cast<float>(pair[1]);
  }
  return z;
}
inline std::array<double, 2> normal_block(const Words& w, double) {
  const auto number = [](std::uint64_t v) { return static_cast<double>(v >> 11); };
  return box_muller((number(join(w[0], w[1])) + 1) * 0x1p-53, number(join(w[2], w[3])) * 0x1p-53);
}

inline Generator& or_default(std::optional<Generator>& generator) {
  return generator ? *generator : default_generator();
}

}  // namespace backflow::detail
