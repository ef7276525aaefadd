#include <backflow/ops/kernels/layout/channels.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/runtime/threads/cuts.h>

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

/// A copy as a range of items, each of about the same time.
class Work {
 public:
  explicit Work(const ChannelCopy& copy)
      : copy_(copy), target_(copy.to), source_(copy.from), positions_(copy.to.blocks.spatial) {
    const std::int64_t batch = copy.to.blocks.batch;
    if (batch * positions_ * copy.count == 0) {
      return;
    }
    is_whole_ = is_whole();
    if (is_whole_) {
      bytes_ = chunks_of(copy.count, target_.lanes) * target_.block;
      items_of_sample_ = chunks_of(bytes_, kPage);
      nanoseconds_ = 2 * kNanosecondsPerByte * static_cast<double>(batch * bytes_);
    } else {
      first_block_ = copy.to_first / target_.lanes;
      blocks_ = (end() - 1) / target_.lanes - first_block_ + 1;
      items_of_sample_ = blocks_ * chunks_of(positions_, kNear);
      nanoseconds_ = kNanosecondsOfLanes * static_cast<double>(batch * blocks_ * positions_);
    }
    items_ = batch * items_of_sample_;
  }

  std::int64_t items() const { return items_; }
  double nanoseconds() const { return nanoseconds_; }
  void run(std::int64_t begin, std::int64_t end) const { is_whole_ ? copy_whole(begin, end) : copy_parts(begin, end); }

 private:
  std::int64_t end() const { return copy_.to_first + copy_.count; }

  /// Whether whole blocks become blocks, the last one with its padding: they are one piece of memory of each sample.
  bool is_whole() const {
    const bool ends_both =
        end() == copy_.to.blocks.channels && copy_.from_first + copy_.count == copy_.from.blocks.channels;
    return target_.lanes == source_.lanes && copy_.to_first % target_.lanes == 0 &&
           copy_.from_first % source_.lanes == 0 && (copy_.count % target_.lanes == 0 || ends_both);
  }

  void copy_whole(std::int64_t begin, std::int64_t end) const {
    while (begin < end) {
      const std::int64_t n = begin / items_of_sample_;
      const std::int64_t stop = std::min(end, (n + 1) * items_of_sample_);
      const std::int64_t first = (begin - n * items_of_sample_) * kPage;
      const std::int64_t last = std::min(bytes_, (stop - n * items_of_sample_) * kPage);
      std::memcpy(target_.at(n, copy_.to_first, 0) + first, source_.at(n, copy_.from_first, 0) + first,
                  static_cast<std::size_t>(last - first));
      begin = stop;
    }
  }

  void copy_parts(std::int64_t begin, std::int64_t end_item) const {
    const std::int64_t parts = items_of_sample_ / blocks_;
    for (std::int64_t item = begin; item < end_item; ++item) {
      const std::int64_t block = first_block_ + item / parts % blocks_;
      const std::int64_t start = std::max(copy_.to_first, block * target_.lanes);
      const std::int64_t stop = std::min(end(), (block + 1) * target_.lanes);
      const std::int64_t i = item % parts * kNear;
      copy_block(target_, start, source_, copy_.from_first + start - copy_.to_first, stop - start,
                 item / items_of_sample_, i, std::min(kNear, positions_ - i));
    }
  }

  const ChannelCopy& copy_;
  Side target_;
  Side source_;
  std::int64_t positions_;
  bool is_whole_ = false;
  std::int64_t bytes_ = 0;  // of a sample, where blocks are copied as a whole
  std::int64_t first_block_ = 0;
  std::int64_t blocks_ = 0;
  std::int64_t items_of_sample_ = 0;
  std::int64_t items_ = 0;
  double nanoseconds_ = 0;
};

}  // namespace

void copy_channels(std::span<const ChannelCopy> copies) {
  std::vector<Work> works;
  works.reserve(copies.size());
  std::int64_t items = 0;
  double nanoseconds = 0;
  for (const ChannelCopy& copy : copies) {
    if (const Work& work = works.emplace_back(copy); work.items() == 0) {
      works.pop_back();
    } else {
      items += work.items();
      nanoseconds += work.nanoseconds();
    }
  }
  // Nothing is computed: the cut is free. Each copy gets pieces by its share of the time.
  const std::int64_t wanted = free_pieces(items, nanoseconds);
  if (wanted == 1) {
    for (const Work& work : works) {
      work.run(0, work.items());
    }
    return;
  }
  std::vector<std::int64_t> ends;
  for (const Work& work : works) {
    const double share = static_cast<double>(wanted) * work.nanoseconds() / nanoseconds;
    const auto pieces = std::clamp<std::int64_t>(static_cast<std::int64_t>(share + 0.5), 1, work.items());
    ends.push_back((ends.empty() ? 0 : ends.back()) + pieces);
  }
  parallel_for(ends.back(), [&](std::int64_t i) {
    const auto k = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), i) - ends.begin());
    const std::int64_t first = k == 0 ? 0 : ends[k - 1];
    const std::int64_t pieces = ends[k] - first;
    works[k].run(begin_of_piece(i - first, pieces, works[k].items()),
                 begin_of_piece(i + 1 - first, pieces, works[k].items()));
  });
}

}  // namespace backflow::kernels
