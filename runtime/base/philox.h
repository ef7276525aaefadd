#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace backflow {

/// Philox4x32-10, a counter-based random number generator. Four random words are a function of a counter and a key
/// alone. So any part of any stream can be computed directly, on any thread or rank. From Salmon, Moraes, Dror, Shaw:
/// "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
struct Philox4x32 {
  using Counter = std::array<std::uint32_t, 4>;
  using Key = std::array<std::uint32_t, 2>;

  static constexpr Counter block(Counter counter, Key key) {
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
      const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
      counter = {high(product1) ^ counter[1] ^ key[0], low(product1), high(product0) ^ counter[3] ^ key[1],
                 low(product0)};
      key[0] += 0x9E3779B9;  // Weyl sequence: the golden ratio
      key[1] += 0xBB67AE85;  // and sqrt(3) - 1
    }
    return counter;
  }

 private:
  static constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }
  static constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
};

/// The random words of one (seed, stream), one after the other. The key is the seed. The counter's low half counts
/// blocks of four words, its high half is the stream. The same numbers on every platform. Not thread-safe.
class PhiloxStream {
 public:
  explicit constexpr PhiloxStream(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  /// 32 random bits.
  constexpr std::uint32_t next32() {
    if (used_ == words_.size()) {
      words_ = Philox4x32::block({low(block_), high(block_), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
      ++block_;
      used_ = 0;
    }
    return words_[used_++];
  }

  /// 64 random bits, the low half first.
  constexpr std::uint64_t next64() {
    const std::uint64_t first = next32();
    return first | (std::uint64_t{next32()} << 32);
  }

  /// An unbiased number in [0, bound); `bound` must not be 0. Lemire: "Fast random integer generation in an interval",
  /// 2019.
  constexpr std::uint64_t below(std::uint64_t bound) {
    Wide product = Wide{next64()} * bound;
    if (static_cast<std::uint64_t>(product) < bound) {
      const std::uint64_t biased = (0 - bound) % bound;  // 2^64 mod bound
      while (static_cast<std::uint64_t>(product) < biased) {
        product = Wide{next64()} * bound;
      }
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

  /// A number in [0, 1) with 53 random bits.
  constexpr double uniform() { return static_cast<double>(next64() >> 11) * 0x1p-53; }

 private:
  __extension__ using Wide = unsigned __int128;

  static constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }
  static constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  std::size_t used_ = 4;
};

}  // namespace backflow
