#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>

#include <backflow/io/datasets/image_codecs_internal.h>
#include <backflow/runtime/base/error.h>

// libjpeg leaves its functions through our error handler, which must not return: by longjmp. So nothing with a
// destructor lives in the functions that call it.

namespace backflow::io::detail {
namespace {

struct JpegDecoder {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  char problem[JMSG_LENGTH_MAX] = "no reason given";
  bool created = false;

  ~JpegDecoder() {
    if (created) jpeg_destroy_decompress(&jpeg);
  }
};

extern "C" {

void backflow_jpeg_error(j_common_ptr jpeg) {
  auto* const decoder = static_cast<JpegDecoder*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, decoder->problem);
  std::longjmp(decoder->jump, 1);  // NOLINT(cert-err52-cpp): libjpeg has no other way
}

// Warnings, of level -1, are about damaged data, which libjpeg would replace by gray.
void backflow_jpeg_message(j_common_ptr jpeg, int level) {
  if (level < 0) backflow_jpeg_error(jpeg);
}

// A small file may ask for thousands of scans over a large picture.
void backflow_jpeg_progress(j_common_ptr jpeg) {
  constexpr int kMostScans = 200;
  auto* const decoder = static_cast<JpegDecoder*>(jpeg->client_data);
  if (decoder->jpeg.input_scan_number > kMostScans) {
    std::snprintf(decoder->problem, sizeof decoder->problem, "more than %d scans", kMostScans);
    std::longjmp(decoder->jump, 1);  // NOLINT(cert-err52-cpp)
  }
}
}

bool read_jpeg_header(JpegDecoder& decoder, const std::uint8_t* content, unsigned long bytes) {
  if (setjmp(decoder.jump) != 0) return false;  // NOLINT(cert-err52-cpp)
  jpeg_create_decompress(&decoder.jpeg);
  decoder.created = true;
  decoder.jpeg.progress = &decoder.progress;
  jpeg_mem_src(&decoder.jpeg, content, bytes);
  jpeg_read_header(&decoder.jpeg, TRUE);
  return true;
}

bool read_jpeg_rows(JpegDecoder& decoder, std::uint8_t* pixels, std::size_t row_bytes) {
  if (setjmp(decoder.jump) != 0) return false;  // NOLINT(cert-err52-cpp)
  jpeg_start_decompress(&decoder.jpeg);
  while (decoder.jpeg.output_scanline < decoder.jpeg.output_height) {
    JSAMPROW row = pixels + decoder.jpeg.output_scanline * row_bytes;
    jpeg_read_scanlines(&decoder.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&decoder.jpeg);
  return true;
}

}  // namespace

Image decode_jpeg(std::span<const std::uint8_t> content, const std::string& path) {
  JpegDecoder decoder;
  decoder.jpeg.err = jpeg_std_error(&decoder.errors);
  decoder.jpeg.client_data = &decoder;
  decoder.errors.error_exit = backflow_jpeg_error;
  decoder.errors.emit_message = backflow_jpeg_message;
  decoder.progress.progress_monitor = backflow_jpeg_progress;
  const auto fail_jpeg = [&] { fail(path, ": the JPEG is damaged (", decoder.problem, "): need an intact copy"); };
  if (!read_jpeg_header(decoder, content.data(), content.size())) fail_jpeg();
  const J_COLOR_SPACE space = decoder.jpeg.jpeg_color_space;
  const bool gray = space == JCS_GRAYSCALE;
  check(gray || space == JCS_YCbCr || space == JCS_RGB, path, ": a JPEG of ", decoder.jpeg.num_components,
        " components in other colours: need gray or RGB (YCbCr)");
  decoder.jpeg.out_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
  decoder.jpeg.dct_method = JDCT_ISLOW;
  Image image{
      .height = decoder.jpeg.image_height, .width = decoder.jpeg.image_width, .channels = gray ? 1 : 3, .pixels = {}};
  check_image_size(image.height, image.width, path);
  const auto row_bytes = static_cast<std::size_t>(image.width * image.channels);
  image.pixels.resize(row_bytes * static_cast<std::size_t>(image.height));
  if (!read_jpeg_rows(decoder, image.pixels.data(), row_bytes)) fail_jpeg();
  return image;
}

}  // namespace backflow::io::detail
