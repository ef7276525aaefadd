// PNG and JPEG, decoded and resized.
#include <cstddef>
#include <cstdint>
#include <vector>

#include <backflow/io/datasets/image_file.h>
#include <backflow/runtime/base/error.h>

using namespace backflow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const io::Image image = io::decode_image({data, size}, "fuzz");
    std::vector<std::uint8_t> planes(3 * 7 * 5);
    io::write_planes(image, 3, 7, 5, io::ImageFit::Crop, planes.data());
    io::write_planes(image, 1, 5, 7, io::ImageFit::Stretch, planes.data());
  } catch (const Error&) {
  }
  return 0;
}
