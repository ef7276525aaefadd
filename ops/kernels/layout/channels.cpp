#include <backflow/ops/kernels/layout/channels.h>

#include <algorithm>
#include <cstring>

#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/strided.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kPage = 4096;  // bytes; whole blocks are cut at multiples of it
constexpr std::int64_t kNear = 256;   // positions whose lanes are filled by several copies while they are in the cache
constexpr double kNanosecondsOfLanes = 8;  // of the lanes of one position

/// One operand: bytes of its elements, of a position's lanes, of a block and of a sample.
struct Side {
  std::byte* data;
  std::int64_t element;
  std::int64_t position;
  std::int64_t block;
  std::int64_t sample;
  std::int64_t lanes;

  explicit Side(const Blocked& x)
      : data(static_cast<std::byte*>(const_cast<void*>(x.elements.const_data_ptr()))),
        element(static_cast<std::int64_t>(element_size(x.elements.scalar_type()))),
        position(x.blocks.block * element),
        block(x.blocks.spatial * position),
        sample(x.blocks.blocks() * block),
        lanes(x.blocks.block) {}
  std::byte* at(std::int64_t n, std::int64_t channel, std::int64_t i) const {
    return data + n * sample + channel / lanes * block + i * position + channel % lanes * element;
  }
};

/// Copies kBytes bytes, or `bytes` when that is 0, at each of n positions. A constant size makes memcpy a few moves
/// instead of a call.
template <std::size_t kBytes>
void copy_lanes(std::byte* to, std::int64_t to_step, const std::byte* from, std::int64_t from_step, std::int64_t n,
                std::size_t bytes) {
  for (std::int64_t i = 0; i < n; ++i, to += to_step, from += from_step) {
    std::memcpy(to, from, kBytes != 0 ? kBytes : bytes);
  }
}

using CopyLanes = void (*)(std::byte*, std::int64_t, const std::byte*, std::int64_t, std::int64_t, std::size_t);

CopyLanes lanes_copy(std::size_t bytes) {
  switch (bytes) {
    case 4:
      return copy_lanes<4>;
    case 8:
      return copy_lanes<8>;
    case 16:
      return copy_lanes<16>;
    case 32:
      return copy_lanes<32>;
    case 64:
      return copy_lanes<64>;
    default:
      return copy_lanes<0>;
  }
}

/// Copies `count` channels of one sample that lie in one block of `to`, from as many blocks of `from` as that takes, at
/// `positions` positions from `i` on.
void copy_block(const Side& to, std::int64_t to_first, const Side& from, std::int64_t from_first, std::int64_t count,
                std::int64_t n, std::int64_t i, std::int64_t positions) {
  for (std::int64_t c = 0; c < count;) {
    const std::int64_t lanes = std::min(count - c, from.lanes - (from_first + c) % from.lanes);
    const auto bytes = static_cast<std::size_t>(lanes * to.element);
    lanes_copy(bytes)(to.at(n, to_first + c, i), to.position, from.at(n, from_first + c, i), from.position, positions,
                      bytes);
    c += lanes;
  }
}

/// Copies `bytes` bytes of each sample, which follow each other; source and target are given for the first one.
void copy_whole(std::byte* to, std::int64_t to_sample, const std::byte* from, std::int64_t from_sample,
                std::int64_t batch, std::int64_t bytes) {
  const std::int64_t pages = chunks_of(bytes, kPage);
  const double nanoseconds = 2 * kNanosecondsPerByte * static_cast<double>(batch * bytes);
  parallel_ranges(batch * pages, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t n = begin / pages;
      const std::int64_t stop = std::min(end, (n + 1) * pages);
      const std::int64_t first = (begin - n * pages) * kPage;
      const std::int64_t last = std::min(bytes, (stop - n * pages) * kPage);
      std::memcpy(to + n * to_sample + first, from + n * from_sample + first, static_cast<std::size_t>(last - first));
      begin = stop;
    }
  });
}

}  // namespace

void copy_channels(const Blocked& to, std::int64_t to_first, const Blocked& from, std::int64_t from_first,
                   std::int64_t count) {
  const Side target(to);
  const Side source(from);
  const std::int64_t positions = to.blocks.spatial;
  const std::int64_t batch = to.blocks.batch;
  if (batch * positions * count == 0) {
    return;
  }
  // Whole blocks that become blocks, the last one with its padding, are one piece of memory of each sample.
  const std::int64_t end = to_first + count;
  const bool whole =
      target.lanes == source.lanes && to_first % target.lanes == 0 && from_first % source.lanes == 0 &&
      (count % target.lanes == 0 || (end == to.blocks.channels && from_first + count == from.blocks.channels));
  if (whole) {
    copy_whole(target.at(0, to_first, 0), target.sample, source.at(0, from_first, 0), source.sample, batch,
               chunks_of(count, target.lanes) * target.block);
    return;
  }
  const std::int64_t first_block = to_first / target.lanes;
  const std::int64_t blocks = (end - 1) / target.lanes - first_block + 1;
  const std::int64_t parts = chunks_of(positions, kNear);
  const double nanoseconds = kNanosecondsOfLanes * static_cast<double>(batch * blocks * positions);
  parallel_ranges(batch * blocks * parts, nanoseconds, [&](std::int64_t part, std::int64_t last) {
    for (; part < last; ++part) {
      const std::int64_t block = first_block + part / parts % blocks;
      const std::int64_t start = std::max(to_first, block * target.lanes);
      const std::int64_t stop = std::min(end, (block + 1) * target.lanes);
      const std::int64_t i = part % parts * kNear;
      copy_block(target, start, source, from_first + start - to_first, stop - start, part / (parts * blocks), i,
                 std::min(kNear, positions - i));
    }
  });
}

}  // namespace backflow::kernels
