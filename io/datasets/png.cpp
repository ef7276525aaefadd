#include <csetjmp>
#include <cstring>

#include <png.h>

#include <backflow/io/datasets/image_codecs_internal.h>
#include <backflow/runtime/base/error.h>

// libpng leaves its functions by longjmp when a file is damaged. So nothing with a destructor lives in the functions
// that call it: what they need is in a PngDecoder, outside.

namespace backflow::io::detail {
namespace {

struct PngDecoder {
  std::span<const std::uint8_t> content;
  std::size_t at = 0;
  png_structp png = nullptr;
  png_infop info = nullptr;
  char problem[128] = "no reason given";
  Image image;
  std::vector<png_bytep> rows;

  ~PngDecoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

extern "C" {

void backflow_png_error(png_structp png, png_const_charp message) {
  auto* const decoder = static_cast<PngDecoder*>(png_get_error_ptr(png));
  std::strncpy(decoder->problem, message, sizeof decoder->problem - 1);
  std::longjmp(png_jmpbuf(png), 1);  // NOLINT(cert-err52-cpp): libpng has no other way
}

void backflow_png_warning(png_structp, png_const_charp) {}

void backflow_png_read(png_structp png, png_bytep to, std::size_t bytes) {
  auto* const decoder = static_cast<PngDecoder*>(png_get_io_ptr(png));
  if (bytes > decoder->content.size() - decoder->at) png_error(png, "the file is cut off");
  std::memcpy(to, decoder->content.data() + decoder->at, bytes);
  decoder->at += bytes;
}
}

/// Whether it went well; else `problem` says what did not.
bool read_png_header(PngDecoder& decoder) {
  if (setjmp(png_jmpbuf(decoder.png)) != 0) return false;  // NOLINT(cert-err52-cpp)
  constexpr png_uint_32 kMostSide = 1 << 20;
  constexpr png_alloc_size_t kMostChunk = 1 << 23;
  png_set_user_limits(decoder.png, kMostSide, kMostSide);
  png_set_chunk_malloc_max(decoder.png, kMostChunk);
  png_set_read_fn(decoder.png, &decoder, backflow_png_read);
  png_read_info(decoder.png, decoder.info);
  png_set_expand(decoder.png);
  png_set_strip_16(decoder.png);
  png_set_strip_alpha(decoder.png);
  png_set_interlace_handling(decoder.png);
  png_read_update_info(decoder.png, decoder.info);
  return true;
}

bool read_png_rows(PngDecoder& decoder) {
  if (setjmp(png_jmpbuf(decoder.png)) != 0) return false;  // NOLINT(cert-err52-cpp)
  png_read_image(decoder.png, decoder.rows.data());
  png_read_end(decoder.png, nullptr);
  return true;
}

}  // namespace

Image decode_png(std::span<const std::uint8_t> content, const std::string& path) {
  PngDecoder decoder;
  decoder.content = content;
  decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, backflow_png_error, backflow_png_warning);
  check(decoder.png != nullptr, path, ": no memory to decode PNG");
  decoder.info = png_create_info_struct(decoder.png);
  check(decoder.info != nullptr, path, ": no memory to decode PNG");
  const auto fail_png = [&] { fail(path, ": the PNG is damaged (", decoder.problem, "): need an intact copy"); };
  if (!read_png_header(decoder)) fail_png();
  Image& image = decoder.image;
  image.height = png_get_image_height(decoder.png, decoder.info);
  image.width = png_get_image_width(decoder.png, decoder.info);
  image.channels = png_get_channels(decoder.png, decoder.info);
  check_image_size(image.height, image.width, path);
  const std::size_t row_bytes = png_get_rowbytes(decoder.png, decoder.info);
  check((image.channels == 1 || image.channels == 3) &&
            row_bytes == static_cast<std::size_t>(image.width * image.channels),
        path, ": a PNG of ", image.channels, " channels: need gray or RGB");
  image.pixels.resize(row_bytes * static_cast<std::size_t>(image.height));
  for (std::int64_t y = 0; y < image.height; ++y) {
    decoder.rows.push_back(image.pixels.data() + static_cast<std::size_t>(y) * row_bytes);
  }
  if (!read_png_rows(decoder)) fail_png();
  return std::move(image);
}

}  // namespace backflow::io::detail
