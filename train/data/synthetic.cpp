#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/train/data/formats.h>
#include <backflow/train/data/targets.h>

// Data that need no files.

namespace backflow::train::detail {
namespace {

/// Random numbers of a sample.
class Random {
 public:
  Random(std::uint64_t seed, Part part, std::int64_t sample)
      : stream_(seed, std::uint64_t{0xd} << 60 | static_cast<std::uint64_t>(part) << 56 |
                          static_cast<std::uint64_t>(sample)) {}

  double uniform() { return stream_.uniform(); }
  double between(double low, double high) { return low + (high - low) * uniform(); }
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(stream_.below(static_cast<std::uint64_t>(bound)));
  }
  /// Box and Muller's transformation, 1958.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  PhiloxStream stream_;
};

/// y = sin(2 x0) + x1 x2 / 2 + a linear function of all, whose coefficients alternate in sign and fall off, + noise.
std::shared_ptr<const SampleSource> regression(const DataOptions& o, Part part, std::uint64_t seed, std::int64_t n) {
  Tensor samples = empty_tensor({n, o.features}, kFloat64);
  Tensor targets = empty_tensor({n, 1}, kFloat64);
  double* x = samples.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < n; ++i, x += o.features) {
    Random random(seed, part, i);
    double y = 0;
    for (std::int64_t k = 0; k < o.features; ++k) {
      x[k] = random.normal();
      y += (k % 2 == 0 ? 1.0 : -1.0) / static_cast<double>(k + 1) * x[k];
    }
    y += std::sin(2 * x[0]) + (o.features > 2 ? x[1] * x[2] / 2 : 0);
    targets.mutable_data_ptr<double>()[i] = y + o.noise * random.normal();
  }
  DataInfo info;
  info.sample_shape = {o.features};
  info.target_names = {"y"};
  targets = make_targets(targets, n, o.target, "synthetic regression", info);
  return std::make_shared<TensorSource>(samples, targets, info);
}

/// Arms of a spiral, one for each class, that turn once and a half around the origin.
std::shared_ptr<const SampleSource> spirals(const DataOptions& o, Part part, std::uint64_t seed, std::int64_t n) {
  Tensor samples = empty_tensor({n, 2}, kFloat64);
  Tensor labels = empty_tensor({n}, kInt64);
  double* x = samples.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < n; ++i, x += 2) {
    Random random(seed, part, i);
    const std::int64_t arm = i % o.classes;
    const double radius = std::sqrt(random.uniform());
    const double turn = 1.5 * radius + static_cast<double>(arm) / static_cast<double>(o.classes);
    x[0] = radius * std::cos(2 * std::numbers::pi * turn) + o.noise * random.normal();
    x[1] = radius * std::sin(2 * std::numbers::pi * turn) + o.noise * random.normal();
    labels.mutable_data_ptr<std::int64_t>()[i] = arm;
  }
  DataInfo info;
  info.sample_shape = {2};
  info.feature_names = {"x", "y"};
  labels = make_targets(labels, n, o.target, "synthetic spirals", info);
  if (info.target == TargetKind::Class) {
    info.classes = o.classes;
  }
  return std::make_shared<TensorSource>(samples, labels, info);
}

/// Digits of 5 x 7 dots, by rows.
constexpr std::array<std::string_view, 10> kDigits = {
    ".###.#...##..###.#.###..##...#.###.", "..#...##....#....#....#....#...###.", ".###.#...#....#...#...#...#...#####",
    ".###.#...#....#..##.....##...#.###.", "...#...##..#.#.#..#.#####...#....#.", "######....####.....#....##...#.###.",
    ".###.#....#....####.#...##...#.###.", "#####....#...#...#...#....#....#...", ".###.#...##...#.###.#...##...#.###.",
    ".###.#...##...#.####....#....#.###."};
constexpr std::int64_t kDotColumns = 5;
constexpr std::int64_t kDotRows = 7;

/// How much ink a digit has at a place in its grid of dots, from 0 to 1: bilinear between the dots' centres.
double ink(std::string_view digit, double row, double column) {
  const auto top = static_cast<std::int64_t>(std::floor(row));
  const auto left = static_cast<std::int64_t>(std::floor(column));
  const double down = row - static_cast<double>(top);
  const double right = column - static_cast<double>(left);
  const auto dot = [&](std::int64_t r, std::int64_t c) {
    const bool inside = r >= 0 && r < kDotRows && c >= 0 && c < kDotColumns;
    return inside && digit[static_cast<std::size_t>(r * kDotColumns + c)] == '#' ? 1.0 : 0.0;
  };
  return (1 - down) * ((1 - right) * dot(top, left) + right * dot(top, left + 1)) +
         down * ((1 - right) * dot(top + 1, left) + right * dot(top + 1, left + 1));
}

void draw_digit(std::string_view digit, Random& random, const DataOptions& o, std::uint8_t* to) {
  const auto size = static_cast<double>(o.size);
  const double dot = size / 10 * random.between(0.8, 1.2);  // the sides of a dot, in pixels
  const double slant = random.between(-0.25, 0.25);
  const double middle_y = size / 2 + random.between(-size / 12, size / 12);
  const double middle_x = size / 2 + random.between(-size / 8, size / 8);
  for (std::int64_t y = 0; y < o.size; ++y) {
    for (std::int64_t x = 0; x < o.size; ++x) {
      const double v = (static_cast<double>(y) + 0.5 - middle_y) / dot;
      const double u = (static_cast<double>(x) + 0.5 - middle_x) / dot + slant * v;
      constexpr double kMiddleRow = 3;
      constexpr double kMiddleColumn = 2;
      const double value = ink(digit, v + kMiddleRow, u + kMiddleColumn) + o.noise * random.normal();
      *to++ = static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)));
    }
  }
}

std::shared_ptr<const SampleSource> digits(const DataOptions& o, Part part, std::uint64_t seed, std::int64_t n) {
  Tensor samples = empty_tensor({n, 1, o.size, o.size}, kUInt8);
  Tensor labels = empty_tensor({n}, kInt64);
  auto* const pixels = samples.mutable_data_ptr<std::uint8_t>();
  parallel_for(n, [&](std::int64_t i) {
    Random random(seed, part, i);
    const auto digit = static_cast<std::size_t>(i) % kDigits.size();
    draw_digit(kDigits[digit], random, o, pixels + i * o.size * o.size);
    labels.mutable_data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>(digit);
  });
  DataInfo info;
  info.sample_shape = {1, o.size, o.size};
  labels = make_targets(labels, n, o.target, "synthetic digits", info);
  if (info.target == TargetKind::Class) {
    info.classes = static_cast<std::int64_t>(kDigits.size());
  }
  return std::make_shared<TensorSource>(samples, labels, info);
}

/// Tokens t1 ... tL, a mark, and t1 ... tL again; token 0 is the mark. Targets are the tokens behind each; of the first
/// L, which nobody can know, the target is the mark.
std::shared_ptr<const SampleSource> copy(const DataOptions& o, Part part, std::uint64_t seed, std::int64_t n) {
  const std::int64_t length = 2 * o.length;
  Tensor samples = empty_tensor({n, length}, kInt64);
  Tensor targets = empty_tensor({n, length}, kInt64);
  auto* x = samples.mutable_data_ptr<std::int64_t>();
  auto* y = targets.mutable_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i, x += length, y += length) {
    Random random(seed, part, i);
    for (std::int64_t k = 0; k < o.length; ++k) {
      const std::int64_t token = 1 + random.below(o.classes);
      x[k] = token;
      y[k] = 0;
      y[o.length + k] = token;
      if (k + 1 < o.length) {
        x[o.length + 1 + k] = token;
      }
    }
    x[o.length] = 0;
  }
  DataInfo info;
  info.sample_shape = {length};
  info.target = TargetKind::Tokens;
  info.classes = o.classes + 1;
  info.target_shape = {length};
  return std::make_shared<TensorSource>(samples, targets, info);
}

}  // namespace

namespace {

std::shared_ptr<const SampleSource> make(const DataOptions& options, Part part, std::uint64_t seed, std::int64_t n) {
  if (options.generator == "regression") {
    return regression(options, part, seed, n);
  }
  if (options.generator == "spirals") {
    return spirals(options, part, seed, n);
  }
  return options.generator == "digits" ? digits(options, part, seed, n) : copy(options, part, seed, n);
}

}  // namespace

std::shared_ptr<const SampleSource> make_synthetic(const DataOptions& options, Part part, std::uint64_t seed,
                                                   Contents contents) {
  const std::int64_t n = part == Part::Train ? options.samples : options.test_samples;
  if (contents == Contents::Samples) {
    return make(options, part, seed, n);
  }
  constexpr std::int64_t kFew = 256;  // among which all classes are
  const DataInfo info = make(options, part, seed, std::min(n, kFew))->info();
  Tensor targets;  // classes come in turn
  if (info.target == TargetKind::Class) {
    targets = empty_tensor({n}, kInt64);
    auto* const label = targets.mutable_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < n; ++i) {
      label[i] = i % info.classes;
    }
  }
  return std::make_shared<DescribedSource>(n, std::move(targets), info);
}

}  // namespace backflow::train::detail
