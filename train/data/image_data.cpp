#include <backflow/io/datasets/image_file.h>
#include <backflow/io/datasets/image_folder.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/train/data/formats.h>
#include <backflow/train/data/targets.h>

namespace backflow::train::detail {

std::shared_ptr<const SampleSource> load_images(DataOptions& options, Part part, Contents contents) {
  const std::string folder = options.path(file_of_part(options, part));
  const io::ImageFolder list = io::list_image_folder(folder, options.class_names);
  if (options.class_names.empty()) {
    options.class_names = list.class_names;
  }
  const auto n = static_cast<std::int64_t>(list.paths.size());
  const std::int64_t bytes = options.channels * options.height * options.width;
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  const auto needed = static_cast<std::uint64_t>(n) * static_cast<std::uint64_t>(bytes);
  check(needed <= options.memory_bytes, folder, ": ", n, " pictures of ", options.width, " x ", options.height,
        " pixels need ", needed / kMiB, " MiB: need at most ", options.memory_bytes / kMiB,
        "; data.memory_mb sets the limit, data.height and data.width the size");
  const bool shapes = contents == Contents::Shapes;
  Tensor samples = empty_tensor({shapes ? 0 : n, options.channels, options.height, options.width}, kUInt8);
  auto* const pixels = samples.mutable_data_ptr<std::uint8_t>();
  const io::ImageFit fit = options.crop ? io::ImageFit::Crop : io::ImageFit::Stretch;
  parallel_for(n, [&](std::int64_t i) {
    const io::Image image = io::read_image(list.paths[static_cast<std::size_t>(i)]);
    if (!shapes) {
      io::write_planes(image, options.channels, options.height, options.width, fit, pixels + i * bytes);
    }
  });
  Tensor labels = empty_tensor({n}, kInt64);
  std::copy(list.labels.begin(), list.labels.end(), labels.mutable_data_ptr<std::int64_t>());
  DataInfo info;
  info.sample_shape = {options.channels, options.height, options.width};
  Tensor targets = make_targets(labels, n, options.target == "auto" ? "class" : options.target, folder, info);
  if (info.target == TargetKind::Class) {
    info.classes = static_cast<std::int64_t>(list.class_names.size());
    info.class_names = list.class_names;
  }
  if (shapes) {
    return std::make_shared<DescribedSource>(n, std::move(targets), std::move(info));
  }
  return std::make_shared<TensorSource>(std::move(samples), std::move(targets), std::move(info));
}

}  // namespace backflow::train::detail
