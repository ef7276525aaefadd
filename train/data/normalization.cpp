#include <backflow/train/data/normalization.h>

#include <algorithm>
#include <cmath>
#include <span>

#include <backflow/runtime/tensor/dtype.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::train {
namespace {

constexpr std::int64_t kPiece = 256;  // samples whose sums are added at once

/// Count, mean and squared distances of some numbers.
struct Moments {
  double n = 0;
  double mean = 0;
  double spread = 0;

  /// Chan, Golub and LeVeque: "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
  void add(const Moments& other) {
    const double all = n + other.n;
    if (all == 0) {
      return;
    }
    const double distance = other.mean - mean;
    spread += other.spread + distance * distance * n * other.n / all;
    mean += distance * other.n / all;
    n = all;
  }
};

/// Numbers of a channel in samples [n, channels, length].
template <class T>
Moments moments_of(const T* x, std::int64_t n, std::int64_t channels, std::int64_t length, double scale) {
  Moments m;
  m.n = static_cast<double>(n * length);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t k = 0; k < length; ++k) {
      m.mean += static_cast<double>(x[i * channels * length + k]) / scale;
    }
  }
  m.mean /= m.n;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t k = 0; k < length; ++k) {
      const double distance = static_cast<double>(x[i * channels * length + k]) / scale - m.mean;
      m.spread += distance * distance;
    }
  }
  return m;
}

std::vector<Moments> moments_of_piece(const SampleSource& source, std::span<const std::int64_t> samples,
                                      std::int64_t channels) {
  const Tensor raw = source.read(samples).samples;
  const std::int64_t n = raw.size(0);
  const std::int64_t length = raw.numel() / (n * channels);
  std::vector<Moments> moments;
  constexpr double kOfBytes = 255;
  const double scale = raw.scalar_type() == kUInt8 ? kOfBytes : 1;
  dispatch_numeric(raw.scalar_type(), "data", [&](auto zero) {
    const auto* x = raw.const_data_ptr<decltype(zero)>();
    for (std::int64_t c = 0; c < channels; ++c) {
      moments.push_back(moments_of(x + c * length, n, channels, length, scale));
    }
  });
  return moments;
}

}  // namespace

Normalization measure_normalization(const SampleSource& source, const std::vector<std::int64_t>& samples) {
  const DimVector& shape = source.info().sample_shape;
  const bool by_first = shape.size() == 1 || shape.size() == 3;
  const std::int64_t channels = by_first ? shape[0] : 1;
  // A multiple of the blocks of a file, so that none is read twice.
  const std::int64_t piece = (kPiece + source.block() - 1) / source.block() * source.block();
  const auto n = static_cast<std::int64_t>(samples.size());
  const std::int64_t pieces = (n + piece - 1) / piece;
  std::vector<Moments> all(static_cast<std::size_t>(channels));
  constexpr std::int64_t kAtOnce = 16;  // pieces in memory
  for (std::int64_t first = 0; first < pieces; first += kAtOnce) {
    const std::int64_t count = std::min(kAtOnce, pieces - first);
    std::vector<std::vector<Moments>> parts(static_cast<std::size_t>(count));
    parallel_for(count, [&](std::int64_t i) {
      const std::int64_t begin = (first + i) * piece;
      const std::span<const std::int64_t> own(samples.data() + begin,
                                              static_cast<std::size_t>(std::min(piece, n - begin)));
      parts[static_cast<std::size_t>(i)] = moments_of_piece(source, own, channels);
    });
    for (const auto& part : parts) {
      for (std::size_t c = 0; c < all.size(); ++c) {
        all[c].add(part[c]);
      }
    }
  }
  Normalization result{{}, {}};
  for (const Moments& m : all) {
    const double std = std::sqrt(m.spread / m.n);
    result.means.push_back(m.mean);
    constexpr double kLeast = 1e-15;  // as data.std
    result.stds.push_back(std >= kLeast ? std : 1);
  }
  return result;
}

}  // namespace backflow::train
