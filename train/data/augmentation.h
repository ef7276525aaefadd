#pragma once

#include <cstdint>
#include <optional>

#include <backflow/train/data/data_info.h>
#include <backflow/train/data/data_options.h>

namespace backflow::train {

/// Changes training samples at random. What becomes of a sample depends on (seed, epoch, its number) alone: not on the
/// batch that it is in, on ranks or on threads. Immutable, so that several threads may use it.
class Augmentation {
 public:
  /// Throws io::ConfigError, at the key, for changes of pictures where samples are none ([channels, height, width]),
  /// larger than the pictures, and for any where samples are tokens.
  Augmentation(const DataOptions& options, const DataInfo& info, std::uint64_t seed);

  /// Moves, flips and turns the picture `x` of normalized numbers in place, in this order. Nothing for other samples.
  void change_place(double* x, std::int64_t number, std::int64_t epoch) const;
  /// Cuts a square out, and then adds noise.
  void disturb(double* x, std::int64_t number, std::int64_t epoch) const;
  bool disturbs() const { return options_.noise > 0 || options_.cutout > 0; }
  bool mixes() const { return options_.mixup > 0; }

  /// With which other sample one is mixed.
  struct Mixture {
    std::int64_t partner = 0;  ///< its number
    double share = 1;          ///< of the sample itself
  };
  /// `size` samples; the partner is one of the same `block` samples as `number`.
  Mixture mixture(std::int64_t number, std::int64_t epoch, std::int64_t size, std::int64_t block) const;

 private:
  void crop(double* x, std::int64_t dy, std::int64_t dx) const;
  void flip(double* x) const;
  void rotate(double* x, double degrees) const;

  AugmentOptions options_;
  std::uint64_t seed_;
  std::int64_t numbers_;  // of a sample
  std::int64_t channels_ = 0;
  std::int64_t height_ = 0;
  std::int64_t width_ = 0;
};

}  // namespace backflow::train
