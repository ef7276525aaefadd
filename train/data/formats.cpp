#include <backflow/train/data/formats.h>

#include <utility>

#include <backflow/io/datasets/cifar.h>
#include <backflow/io/datasets/idx.h>
#include <backflow/io/datasets/text_file.h>
#include <backflow/train/data/targets.h>

namespace backflow::train {

std::string file_of_part(const DataOptions& o, Part part) {
  const std::string none;
  if (o.format == "idx") {
    return of_part(part, o.train_images, none, o.test_images);
  }
  if (o.format == "images") {
    return of_part(part, o.train_folder, o.validation_folder, o.test_folder);
  }
  if (o.format == "cifar10" || o.format == "cifar100") {
    return of_part(part, std::string("the training files"), none, std::string("the test files"));
  }
  if (o.format == "synthetic") {
    return of_part(part, o.generator, none, o.test_samples > 0 ? o.generator : none);
  }
  return of_part(part, o.train_file, o.validation_file, o.test_file);
}

std::shared_ptr<const SampleSource> load_part(DataOptions& options, Part part, std::uint64_t seed, Contents contents) {
  if (file_of_part(options, part).empty()) {
    return nullptr;
  }
  if (options.format == "idx") {
    return detail::load_idx(options, part, contents);
  }
  if (options.format == "csv") {
    return detail::load_csv(options, part, contents);
  }
  if (options.format == "hdf5") {
    return detail::load_hdf5(options, part, contents);
  }
  if (options.format == "numpy") {
    return detail::load_numpy(options, part, contents);
  }
  if (options.format == "images") {
    return detail::load_images(options, part, contents);
  }
  if (options.format == "text") {
    return detail::load_text(options, part, contents);
  }
  return options.format == "synthetic" ? detail::make_synthetic(options, part, seed, contents)
                                       : detail::load_cifar(options, part, contents);
}

namespace detail {

namespace {

/// What the samples of an IDX file are, as read or by its header.
void check_idx_samples(const io::IdxHeader& header, const std::string& images, DataInfo& info) {
  const auto holds = [&] { return to_text(images, ": holds ", header.dtype, header.sizes); };
  check(header.sizes.size() >= 2, holds(), ": need samples, [n, ...]");
  check(header.sizes[0] > 0, images, ": no samples: need at least one");
  check(numel_of(header.sizes) > 0, holds(), ": need samples that are not empty");
  DimVector stored(header.sizes);
  stored.erase(0);
  info.sample_shape = shape_for_models(stored);
}

}  // namespace

std::shared_ptr<const SampleSource> load_idx(const DataOptions& options, Part part, Contents contents) {
  const std::string images = options.path(of_part(part, options.train_images, {}, options.test_images));
  const std::string labels = options.path(of_part(part, options.train_labels, {}, options.test_labels));
  const bool shapes = contents == Contents::Shapes;
  Tensor samples = shapes ? Tensor() : io::read_idx(images);
  const io::IdxHeader header =
      shapes ? io::read_idx_header(images) : io::IdxHeader{DimVector(samples.sizes()), samples.scalar_type()};
  DataInfo info;
  info.class_names = options.class_names;
  check_idx_samples(header, images, info);
  const std::int64_t n = header.sizes[0];
  if (!shapes) {
    check_finite(samples, images);
  }
  Tensor targets;
  if (options.target == "input") {
    make_targets({}, n, "input", labels, info);
  } else {
    const Tensor raw = io::read_idx(labels);
    const std::string wanted = options.target == "auto" ? "class" : options.target;
    check(raw.dim() == 1 || wanted != "class", labels, ": holds ", describe(raw),
          ": need one class for each sample, [n]");
    check(raw.dim() >= 1 && raw.size(0) == n, labels, ": ", raw.dim() >= 1 ? raw.size(0) : 0,
          wanted == "class" ? " classes for " : " targets for ", n, " samples in ", images, ": need one for each");
    targets = make_targets(raw, n, wanted, labels, info);
  }
  if (shapes) {
    return std::make_shared<DescribedSource>(n, std::move(targets), std::move(info));
  }
  return std::make_shared<TensorSource>(std::move(samples), std::move(targets), std::move(info));
}

std::shared_ptr<const SampleSource> load_cifar(const DataOptions& options, Part part, Contents contents) {
  const bool ten = options.format == "cifar10";
  const std::vector<std::string> files =
      part == Part::Test ? std::vector{cifar_test_file(options)} : cifar_train_files(options);
  const bool coarse = options.labels == "coarse";
  const io::CifarLabels kind = ten ? io::CifarLabels::Ten : coarse ? io::CifarLabels::Coarse : io::CifarLabels::Fine;
  const io::LabelledImages data = contents == Contents::Shapes
                                      ? io::LabelledImages{{}, io::read_cifar_labels(files, kind, options.memory_bytes)}
                                      : io::read_cifar(files, kind, options.memory_bytes);
  DataInfo info;
  info.sample_shape = {3, 32, 32};
  info.class_names = options.class_names;
  constexpr std::int64_t kClasses[] = {10, 20, 100};
  Tensor targets = make_targets(data.labels, data.labels.numel(), options.target == "auto" ? "class" : options.target,
                                files.front(), info);
  if (info.target == TargetKind::Class) {
    info.classes = ten ? kClasses[0] : coarse ? kClasses[1] : kClasses[2];
    const auto names = static_cast<std::int64_t>(options.class_names.size());
    if (names != 0 && names != info.classes) {
      options.section.fail("class_names", to_text("'class_names' in [data] has ", names, " names: need ", info.classes,
                                                  ", one for each class"));
    }
  }
  if (contents == Contents::Shapes) {
    return std::make_shared<DescribedSource>(data.labels.numel(), std::move(targets), std::move(info));
  }
  return std::make_shared<TensorSource>(data.images, std::move(targets), std::move(info));
}

}  // namespace detail
}  // namespace backflow::train
