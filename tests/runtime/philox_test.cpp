#include <backflow/runtime/base/philox.h>

#include <array>
#include <cstdint>
#include <vector>

#include <backflow/tests/catch2.h>

using backflow::Philox4x32;
using backflow::PhiloxStream;

TEST_CASE("philox: the published known answers", "[philox]") {
  // Random123, tests/kat_vectors: philox4x32 10.
  const Philox4x32::Counter zeros = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const Philox4x32::Counter ones = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  const Philox4x32::Counter pi = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  CHECK(Philox4x32::block({0, 0, 0, 0}, {0, 0}) == zeros);
  CHECK(Philox4x32::block({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) == ones);
  CHECK(Philox4x32::block({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) == pi);
}

TEST_CASE("philox: a stream is that of C++26's philox4x32", "[philox]") {
  PhiloxStream random(20111115);  // its default seed
  std::uint32_t word = 0;
  for (int i = 0; i < 10000; ++i) {
    word = random.next32();
  }
  CHECK(word == 1955073260);  // as the standard requires
}

TEST_CASE("philox: streams and seeds differ", "[philox]") {
  const auto first = [](std::uint64_t seed, std::uint64_t stream) { return PhiloxStream(seed, stream).next64(); };
  CHECK(first(1, 0) == first(1, 0));
  CHECK(first(1, 0) != first(2, 0));
  CHECK(first(1, 0) != first(1, 1));
  CHECK(first(1, 0) != first(1, std::uint64_t{1} << 32));
  CHECK(first(1, 0) != first(std::uint64_t{1} << 32, 0));
}

TEST_CASE("philox: bounded numbers are in range and even", "[philox]") {
  PhiloxStream random(7);
  std::array<int, 6> seen{};
  for (int i = 0; i < 60000; ++i) {
    const auto x = random.below(seen.size());
    REQUIRE(x < seen.size());
    ++seen[x];
  }
  for (const int n : seen) {
    CHECK(n == Approx(10000).margin(450));  // 5 standard deviations
  }
  CHECK(random.below(1) == 0);
  // More than half of all 64-bit words are refused here.
  const std::uint64_t large = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 1000; ++i) {
    CHECK(random.below(large) < large);
  }
}

TEST_CASE("philox: uniform numbers fill [0, 1)", "[philox]") {
  PhiloxStream random(3, 4);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double x = random.uniform();
    REQUIRE(x >= 0);
    REQUIRE(x < 1);
    sum += x;
  }
  CHECK(sum / 10000 == Approx(0.5).margin(0.015));
}
