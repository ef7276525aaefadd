#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace backflow::io {

/// A picture: rows of pixels from the top, each of 1 (gray) or 3 (red, green, blue) bytes.
struct Image {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::vector<std::uint8_t> pixels;
};

/// How a picture gets another size.
enum class ImageFit {
  Stretch,  ///< all of it, whatever the ratio of its sides
  Crop,     ///< the largest part around its centre that has the ratio of the new sides
};

/// Reads a PNG or JPEG file, told by its content. Transparency is dropped, palettes are resolved, 16 bits become 8.
/// Throws Error that names the file for one that is neither, damaged, cut off, of more than 256 MiB or of more than
/// 2^25 pixels, and for JPEG in other colours than gray and RGB (YCbCr). Thread-safe.
Image read_image(const std::string& path);

/// The same for the content of a file; `path` is for messages.
Image decode_image(std::span<const std::uint8_t> content, const std::string& path);

/// Writes a picture as `channels` (1 or 3) planes of height x width bytes, resized by bilinear interpolation, which
/// takes the mean over all pixels that become one. Gray is 0.299 red + 0.587 green + 0.114 blue.
void write_planes(const Image& image, std::int64_t channels, std::int64_t height, std::int64_t width, ImageFit fit,
                  std::uint8_t* to);

}  // namespace backflow::io
