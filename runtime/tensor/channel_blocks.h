#pragma once

#include <cstdint>

namespace backflow {

/// The layout of a tensor [batch, channels, spatial...] whose channels are kept in blocks:
/// [batch][blocks()][spatial][block], row-major, the last block padded with zeros. Blocks of 16 are oneDNN's nChw16c,
/// one block of all channels is nhwc, blocks of 1 are the row-major tensor.
///
/// Weights [filters, channels, spatial...] may have blocks of filters as well, without padding: [batch /
/// batch_block][blocks()][spatial][block][batch_block], oneDNN's OIhw16i16o.
struct ChannelBlocks {
  std::int64_t batch = 0;
  std::int64_t channels = 0;
  std::int64_t spatial = 1;  ///< positions: the product of the sizes behind the channels
  std::int64_t block = 1;    ///< channels of a block
  std::int64_t batch_block = 1;

  std::int64_t blocks() const { return (channels + block - 1) / block; }
  std::int64_t padded_channels() const { return blocks() * block; }
  /// Elements of one sample, padding included, and of all.
  std::int64_t sample_elements() const { return padded_channels() * spatial; }
  std::int64_t elements() const { return batch * sample_elements(); }
  bool is_padded() const { return channels % block != 0; }
  /// Whether the elements lie as in a row-major tensor.
  bool is_row_major() const { return batch_block == 1 && (block == 1 || (spatial == 1 && !is_padded())); }

  friend bool operator==(const ChannelBlocks&, const ChannelBlocks&) = default;
};

}  // namespace backflow
