#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <backflow/io/datasets/image_file.h>

namespace backflow::io::detail {

inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 25;

/// Throws Error unless a picture of these sides may be decoded.
void check_image_size(std::int64_t height, std::int64_t width, const std::string& path);

Image decode_png(std::span<const std::uint8_t> content, const std::string& path);
Image decode_jpeg(std::span<const std::uint8_t> content, const std::string& path);

}  // namespace backflow::io::detail
