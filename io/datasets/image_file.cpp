#include <backflow/io/datasets/image_file.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <backflow/io/datasets/image_codecs_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace detail {

void check_image_size(std::int64_t height, std::int64_t width, const std::string& path) {
  check(height > 0 && width > 0 && height <= kMostPixels / width, path, ": a picture of ", width, " x ", height,
        " pixels: need at most ", kMostPixels);
}

}  // namespace detail

namespace {

constexpr std::uint8_t kPngMagic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::uint8_t kJpegMagic[] = {0xff, 0xd8, 0xff};

template <std::size_t N>
bool starts_with(std::span<const std::uint8_t> content, const std::uint8_t (&magic)[N]) {
  return content.size() >= N && std::equal(magic, magic + N, content.begin());
}

/// The weights of old pixels `first` and on in a new one.
struct Window {
  std::int64_t first = 0;
  std::vector<float> weights;
};

/// A triangle over the pixels from `begin` to `begin` + `length`, as wide as a new pixel where these are larger.
std::vector<Window> windows(std::int64_t old_size, double begin, double length, std::int64_t new_size) {
  const double scale = length / static_cast<double>(new_size);
  const double radius = std::max(scale, 1.0);
  std::vector<Window> result;
  for (std::int64_t i = 0; i < new_size; ++i) {
    const double centre = begin + (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, std::llround(std::floor(centre - radius)));
    const auto last = std::min<std::int64_t>(old_size - 1, std::llround(std::ceil(centre + radius)));
    Window window{first, {}};
    double sum = 0;
    for (std::int64_t k = first; k <= last; ++k) {
      const double distance = std::abs(static_cast<double>(k) + 0.5 - centre) / radius;
      window.weights.push_back(static_cast<float>(std::max(0.0, 1 - distance)));
      sum += window.weights.back();
    }
    for (float& weight : window.weights) weight = static_cast<float>(weight / sum);
    result.push_back(std::move(window));
  }
  return result;
}

/// One plane of the picture, as numbers.
std::vector<float> plane_of(const Image& image, std::int64_t channels, std::int64_t channel) {
  const auto n = static_cast<std::size_t>(image.height * image.width);
  std::vector<float> plane(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint8_t* pixel = image.pixels.data() + i * static_cast<std::size_t>(image.channels);
    if (image.channels == 1) {
      plane[i] = pixel[0];
    } else if (channels == 1) {
      // Integers, as ITU-R 601 is usually computed: the same bits everywhere.
      plane[i] = static_cast<float>((19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + 0x8000) >> 16);
    } else {
      plane[i] = pixel[channel];
    }
  }
  return plane;
}

std::vector<float> resized_rows(const std::vector<float>& plane, std::int64_t width, std::int64_t height,
                                const std::vector<Window>& columns) {
  std::vector<float> rows(static_cast<std::size_t>(height) * columns.size());
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < columns.size(); ++x) {
      const float* from = plane.data() + y * width + columns[x].first;
      float sum = 0;
      for (std::size_t k = 0; k < columns[x].weights.size(); ++k) sum += columns[x].weights[k] * from[k];
      rows[static_cast<std::size_t>(y) * columns.size() + x] = sum;
    }
  }
  return rows;
}

void write_plane(const std::vector<float>& rows, std::size_t width, const std::vector<Window>& lines,
                 std::uint8_t* to) {
  for (const Window& line : lines) {
    for (std::size_t x = 0; x < width; ++x) {
      const float* from = rows.data() + static_cast<std::size_t>(line.first) * width + x;
      float sum = 0;
      for (std::size_t k = 0; k < line.weights.size(); ++k) sum += line.weights[k] * from[k * width];
      *to++ = static_cast<std::uint8_t>(std::clamp(std::lround(sum), 0L, 255L));
    }
  }
}

}  // namespace

Image decode_image(std::span<const std::uint8_t> content, const std::string& path) {
  if (starts_with(content, kPngMagic)) return detail::decode_png(content, path);
  if (starts_with(content, kJpegMagic)) return detail::decode_jpeg(content, path);
  fail(path, ": neither PNG nor JPEG: need a picture in one of these formats");
}

Image read_image(const std::string& path) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{256} << 20;
  std::error_code error;
  const std::uint64_t bytes = std::filesystem::file_size(path, error);
  check(!error && std::filesystem::is_regular_file(path), path, ": cannot read: need a regular file");
  check(bytes <= kMostBytes, path, ": ", bytes, " bytes: need a picture of at most ", kMostBytes);
  std::vector<std::uint8_t> content(bytes);
  std::ifstream file(path, std::ios::binary);
  check(file.is_open(), path, ": cannot open: need a file that may be read");
  file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(bytes));
  check(file.gcount() == static_cast<std::streamsize>(bytes), path, ": cannot read all of it: need an intact file");
  return decode_image(content, path);
}

void write_planes(const Image& image, std::int64_t channels, std::int64_t height, std::int64_t width, ImageFit fit,
                  std::uint8_t* to) {
  const auto old_height = static_cast<double>(image.height);
  const auto old_width = static_cast<double>(image.width);
  double used_height = old_height;
  double used_width = old_width;
  if (fit == ImageFit::Crop) {
    const double ratio = static_cast<double>(width) / static_cast<double>(height);
    used_width = std::min(old_width, old_height * ratio);
    used_height = std::min(old_height, old_width / ratio);
  }
  const auto columns = windows(image.width, (old_width - used_width) / 2, used_width, width);
  const auto lines = windows(image.height, (old_height - used_height) / 2, used_height, height);
  const bool same = image.height == height && image.width == width;
  for (std::int64_t c = 0; c < channels; ++c) {
    const std::vector<float> plane = plane_of(image, channels, c);
    std::uint8_t* const start = to + c * height * width;
    if (same) {
      std::transform(plane.begin(), plane.end(), start, [](float x) { return static_cast<std::uint8_t>(x); });
    } else {
      write_plane(resized_rows(plane, image.width, image.height, columns), static_cast<std::size_t>(width), lines,
                  start);
    }
  }
}

}  // namespace backflow::io
