#include <backflow/io/datasets/image_file.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <jpeglib.h>
#include <png.h>

#include <backflow/io/datasets/image_folder.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using io::Image;
using test::error_of;

namespace {

std::string png(std::uint32_t width, std::uint32_t height, std::uint32_t format,
                const std::vector<std::uint8_t>& pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = format;
  png_alloc_size_t bytes = 0;
  REQUIRE(png_image_write_to_memory(&image, nullptr, &bytes, 0, pixels.data(), 0, nullptr) != 0);
  std::string content(bytes, '\0');
  REQUIRE(png_image_write_to_memory(&image, content.data(), &bytes, 0, pixels.data(), 0, nullptr) != 0);
  content.resize(bytes);
  return content;
}

std::string jpeg(unsigned width, unsigned height, int channels, J_COLOR_SPACE space, std::vector<std::uint8_t> pixels) {
  jpeg_compress_struct encoder{};
  jpeg_error_mgr errors{};
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  unsigned char* data = nullptr;
  unsigned long bytes = 0;
  jpeg_mem_dest(&encoder, &data, &bytes);
  encoder.image_width = width;
  encoder.image_height = height;
  encoder.input_components = channels;
  encoder.in_color_space = space;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, 95, TRUE);
  jpeg_start_compress(&encoder, TRUE);
  for (unsigned y = 0; y < height; ++y) {
    JSAMPROW row = pixels.data() + y * width * static_cast<unsigned>(channels);
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  std::string content(reinterpret_cast<char*>(data), bytes);
  jpeg_destroy_compress(&encoder);
  std::free(data);
  return content;
}

Image decode(const std::string& content) {
  return io::decode_image({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()}, "x.png");
}

std::vector<std::uint8_t> planes(const Image& image, std::int64_t channels, std::int64_t height, std::int64_t width,
                                 io::ImageFit fit = io::ImageFit::Stretch) {
  std::vector<std::uint8_t> result(static_cast<std::size_t>(channels * height * width));
  io::write_planes(image, channels, height, width, fit, result.data());
  return result;
}

using Bytes = std::vector<std::uint8_t>;

}  // namespace

TEST_CASE("images: PNG of all kinds gives gray or RGB") {
  const Image gray = decode(png(2, 1, PNG_FORMAT_GRAY, {7, 200}));
  CHECK(gray.channels == 1);
  CHECK(gray.pixels == Bytes{7, 200});
  const Image color = decode(png(1, 2, PNG_FORMAT_RGB, {1, 2, 3, 4, 5, 6}));
  CHECK((color.height == 2 && color.width == 1 && color.channels == 3));
  CHECK(color.pixels == Bytes{1, 2, 3, 4, 5, 6});
  CHECK(decode(png(1, 1, PNG_FORMAT_RGBA, {10, 20, 30, 128})).pixels == Bytes{10, 20, 30});
  CHECK(planes(color, 3, 2, 1) == Bytes{1, 4, 2, 5, 3, 6});
  CHECK(planes(gray, 3, 1, 2) == Bytes{7, 200, 7, 200, 7, 200});
  CHECK(planes(color, 1, 2, 1) == Bytes{2, 5});
}

TEST_CASE("images: JPEG gives gray or RGB") {
  const Image gray = decode(jpeg(8, 8, 1, JCS_GRAYSCALE, Bytes(64, 100)));
  CHECK((gray.channels == 1 && gray.height == 8 && gray.width == 8));
  CHECK(std::abs(gray.pixels[0] - 100) <= 1);
  Bytes red;
  for (int i = 0; i < 64; ++i) {
    red.insert(red.end(), {200, 10, 10});
  }
  const Image color = decode(jpeg(8, 8, 3, JCS_RGB, red));
  REQUIRE(color.channels == 3);
  CHECK(std::abs(color.pixels[0] - 200) <= 4);
  CHECK(std::abs(color.pixels[1] - 10) <= 4);
}

TEST_CASE("images: resizing takes means, stretches or crops") {
  const Image image{.height = 2, .width = 4, .channels = 1, .pixels = {0, 0, 100, 100, 0, 0, 100, 100}};
  const Bytes half = planes(image, 1, 1, 2);
  CHECK(half[0] < half[1]);
  CHECK(half[0] + half[1] == 100);  // as far from both ends
  const Bytes cropped = planes(image, 1, 2, 2, io::ImageFit::Crop);
  CHECK(cropped == Bytes{0, 100, 0, 100});
  const Image even{.height = 3, .width = 3, .channels = 1, .pixels = Bytes(9, 77)};
  for (const std::int64_t size : {1, 2, 5, 64}) {
    CHECK(planes(even, 1, size, size) == Bytes(static_cast<std::size_t>(size * size), 77));
  }
}

TEST_CASE("images: damaged files, other formats and huge pictures are errors that name the file") {
  const std::string good = png(16, 16, PNG_FORMAT_RGB, Bytes(768, 9));
  CHECK(error_of([] { decode("hello"); }) == "x.png: neither PNG nor JPEG: need a picture in one of these formats");
  CHECK(error_of([] { decode(""); }) == "x.png: neither PNG nor JPEG: need a picture in one of these formats");
  for (std::size_t length = 8; length < good.size(); ++length) {
    CHECK_THAT(error_of([&] { decode(good.substr(0, length)); }), StartsWith("x.png: the PNG is damaged ("));
  }
  const std::string whole = jpeg(16, 16, 1, JCS_GRAYSCALE, Bytes(256, 9));
  for (std::size_t length = 3; length + 2 < whole.size(); ++length) {
    CHECK_THAT(error_of([&] { decode(whole.substr(0, length)); }), StartsWith("x.png: "));
  }
  // A header that says 60,000 x 60,000: its checksum is wrong, or else the size is refused before memory is asked for.
  std::string huge = good;
  huge[16 + 2] = huge[20 + 2] = static_cast<char>(0xea);
  CHECK_THAT(error_of([&] { decode(huge); }), StartsWith("x.png: "));
  CHECK_THAT(error_of([&] { decode(jpeg(8, 8, 4, JCS_CMYK, Bytes(256, 9))); }),
             StartsWith("x.png: a JPEG of 4 components in other colours: need gray or RGB"));
  CHECK_THAT(error_of([] { io::read_image("/nowhere/x.png"); }), StartsWith("/nowhere/x.png: "));
}

TEST_CASE("images: a folder for each class") {
  namespace fs = std::filesystem;
  const test::TemporaryDirectory directory;
  for (const char* folder : {"dog", "cat", ".hidden"}) {
    fs::create_directory(directory.file(folder));
  }
  test::write_text(directory.file("cat/2.JPG"), "");
  test::write_text(directory.file("cat/1.png"), "");
  test::write_text(directory.file("dog/a.jpeg"), "");
  test::write_text(directory.file("dog/notes.txt"), "");
  test::write_text(directory.file("dog/.b.png"), "");
  const io::ImageFolder list = io::list_image_folder(directory.path());
  CHECK(list.class_names == std::vector<std::string>{"cat", "dog"});
  CHECK(list.labels == std::vector<std::int64_t>{0, 0, 1});
  CHECK(list.paths[0] == directory.file("cat/1.png"));
  CHECK(io::list_image_folder(directory.path(), {"dog", "cat", "owl"}).labels == std::vector<std::int64_t>{1, 1, 0});
  CHECK_THAT(error_of([&] { io::list_image_folder(directory.path(), {"dog"}); }),
             EndsWith("folder 'cat' is none of the 1 classes of the training data: need one of these"));
  fs::create_directory(directory.file("empty"));
  CHECK_THAT(error_of([&] { io::list_image_folder(directory.path()); }),
             ContainsSubstring("class 'empty' has no pictures"));
  CHECK_THAT(error_of([&] { io::list_image_folder(directory.file("empty")); }), ContainsSubstring("no folders in it"));
  CHECK_THAT(error_of([&] { io::list_image_folder(directory.file("none")); }), ContainsSubstring("cannot list"));
}
