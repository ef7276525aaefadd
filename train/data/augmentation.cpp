#include <backflow/train/data/augmentation.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <backflow/runtime/base/philox.h>

namespace backflow::train {
namespace {

/// What random numbers are for: each use has a stream of its own.
enum class Use : std::uint64_t { Place = 8, Disturbance = 9, Mixture = 10 };

/// Streams of samples are kept apart from those of others, which start with the digit 5 (see sampler.cpp) or with 0.
PhiloxStream stream(std::uint64_t seed, Use use, std::int64_t number, std::int64_t epoch) {
  constexpr int kUseBit = 60;
  constexpr int kEpochBit = 40;
  return PhiloxStream(seed, static_cast<std::uint64_t>(use) << kUseBit |
                                static_cast<std::uint64_t>(epoch) << kEpochBit | static_cast<std::uint64_t>(number));
}

/// A number in [-most, most].
std::int64_t shift(PhiloxStream& random, std::int64_t most) {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(2 * most + 1))) - most;
}

/// A normal number, by Box and Muller's transformation (1958).
double normal(PhiloxStream& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

/// A number of the gamma distribution of shape `a`: Marsaglia and Tsang, "A simple method for generating gamma
/// variables", 2000.
double gamma(PhiloxStream& random, double a) {
  const double boost = a < 1 ? std::pow(1 - random.uniform(), 1 / a) : 1;
  const double d = (a < 1 ? a + 1 : a) - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal(random);
    const double v = std::pow(1 + c * x, 3);
    if (v > 0 && std::log(1 - random.uniform()) < x * x / 2 + d - d * v + d * std::log(v)) {
      return boost * d * v;
    }
  }
}

}  // namespace

Augmentation::Augmentation(const DataOptions& options, const DataInfo& info, std::uint64_t seed)
    : options_(options.augment), seed_(seed), numbers_(numel_of(info.sample_shape)) {
  const io::Section s = options.section.section("augment");
  const auto refuse = [&](const char* key, const std::string& need) {
    s.fail(key, to_text("'", key, "' in [data.augment]: samples have the shape ", info.sample_shape, ": need ", need));
  };
  const bool pictures = info.sample_shape.size() == 3 && info.target != TargetKind::Tokens;
  const std::pair<const char*, bool> of_pictures[] = {{"crop_padding", options_.crop_padding > 0},
                                                      {"flip", options_.flip},
                                                      {"rotate", options_.rotate > 0},
                                                      {"cutout", options_.cutout > 0}};
  for (const auto& [key, used] : of_pictures) {
    if (used && !pictures) {
      refuse(key, "pictures, [channels, height, width]");
    }
  }
  for (const auto& [key, used] : {std::pair("noise", options_.noise > 0), std::pair("mixup", options_.mixup > 0)}) {
    if (used && info.target == TargetKind::Tokens) {
      refuse(key, "numbers, and these are tokens");
    }
  }
  if (pictures) {
    channels_ = info.sample_shape[0];
    height_ = info.sample_shape[1];
    width_ = info.sample_shape[2];
    const std::int64_t side = std::min(height_, width_);
    if (options_.crop_padding > side) {
      refuse("crop_padding", to_text("at most ", side, " pixels"));
    }
    if (options_.cutout > side) {
      refuse("cutout", to_text("at most ", side, " pixels"));
    }
  }
}

void Augmentation::change_place(double* x, std::int64_t number, std::int64_t epoch) const {
  if (channels_ == 0) {
    return;
  }
  PhiloxStream random = stream(seed_, Use::Place, number, epoch);
  // All are drawn, used or not, so that one option does not change what another one does.
  const std::int64_t dy = shift(random, options_.crop_padding);
  const std::int64_t dx = shift(random, options_.crop_padding);
  const bool flips = random.below(2) == 1;
  const double turn = 2 * random.uniform() - 1;
  if (options_.crop_padding > 0) {
    crop(x, dy, dx);
  }
  if (options_.flip && flips) {
    flip(x);
  }
  if (options_.rotate > 0) {
    rotate(x, turn * options_.rotate);
  }
}

void Augmentation::crop(double* x, std::int64_t dy, std::int64_t dx) const {
  std::vector<double> plane(static_cast<std::size_t>(height_ * width_));
  // The columns of a row that come from inside of the picture.
  const std::int64_t first = std::clamp<std::int64_t>(-dx, 0, width_);
  const std::int64_t count = std::clamp<std::int64_t>(width_ - dx, 0, width_) - first;
  for (std::int64_t c = 0; c < channels_; ++c) {
    double* const to = x + c * height_ * width_;
    std::copy_n(to, plane.size(), plane.begin());
    std::fill_n(to, plane.size(), 0.0);
    for (std::int64_t row = std::max<std::int64_t>(0, -dy); row < std::min(height_, height_ - dy); ++row) {
      std::copy_n(plane.data() + (row + dy) * width_ + first + dx, count, to + row * width_ + first);
    }
  }
}

void Augmentation::flip(double* x) const {
  for (std::int64_t row = 0; row < channels_ * height_; ++row) {
    std::reverse(x + row * width_, x + (row + 1) * width_);
  }
}

void Augmentation::rotate(double* x, double degrees) const {
  const double angle = degrees * std::numbers::pi / 180;
  const double cosine = std::cos(angle);
  const double sine = std::sin(angle);
  const double middle_y = static_cast<double>(height_ - 1) / 2;
  const double middle_x = static_cast<double>(width_ - 1) / 2;
  std::vector<double> plane(static_cast<std::size_t>(height_ * width_));
  for (std::int64_t c = 0; c < channels_; ++c) {
    double* const to = x + c * height_ * width_;
    std::copy_n(to, plane.size(), plane.begin());
    const auto at = [&](std::int64_t row, std::int64_t column) {
      const bool inside = row >= 0 && row < height_ && column >= 0 && column < width_;
      return inside ? plane[static_cast<std::size_t>(row * width_ + column)] : 0;
    };
    for (std::int64_t row = 0; row < height_; ++row) {
      for (std::int64_t column = 0; column < width_; ++column) {
        // The place in the old picture, between four pixels.
        const double v = static_cast<double>(row) - middle_y;
        const double u = static_cast<double>(column) - middle_x;
        const double y = middle_y + cosine * v - sine * u;
        const double z = middle_x + sine * v + cosine * u;
        const auto top = static_cast<std::int64_t>(std::floor(y));
        const auto left = static_cast<std::int64_t>(std::floor(z));
        const double below = y - static_cast<double>(top);
        const double right = z - static_cast<double>(left);
        to[row * width_ + column] = (1 - below) * ((1 - right) * at(top, left) + right * at(top, left + 1)) +
                                    below * ((1 - right) * at(top + 1, left) + right * at(top + 1, left + 1));
      }
    }
  }
}

void Augmentation::disturb(double* x, std::int64_t number, std::int64_t epoch) const {
  PhiloxStream random = stream(seed_, Use::Disturbance, number, epoch);
  if (options_.cutout > 0) {
    const auto top = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(height_ - options_.cutout + 1)));
    const auto left = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(width_ - options_.cutout + 1)));
    for (std::int64_t c = 0; c < channels_; ++c) {
      for (std::int64_t row = top; row < top + options_.cutout; ++row) {
        std::fill_n(x + (c * height_ + row) * width_ + left, options_.cutout, 0.0);
      }
    }
  }
  for (std::int64_t i = 0; options_.noise > 0 && i < numbers_; ++i) {
    x[i] += options_.noise * normal(random);
  }
}

Augmentation::Mixture Augmentation::mixture(std::int64_t number, std::int64_t epoch, std::int64_t size,
                                            std::int64_t block) const {
  PhiloxStream random = stream(seed_, Use::Mixture, number, epoch);
  const std::int64_t first = block > 1 ? number / block * block : 0;
  const std::int64_t count = block > 1 ? std::min(block, size - first) : size;
  const auto partner = first + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count)));
  const double a = gamma(random, options_.mixup);
  const double b = gamma(random, options_.mixup);
  return {partner, a + b > 0 ? a / (a + b) : 1};
}

}  // namespace backflow::train
