#include <backflow/train/data/formats.h>

#include <utility>

#include <backflow/io/datasets/cifar.h>
#include <backflow/io/datasets/idx.h>
#include <backflow/io/datasets/text_file.h>
#include <backflow/train/data/targets.h>

namespace backflow::train {
namespace {

template <class T>
const T& of_part(Part part, const T& train, const T& validation, const T& test) {
  return part == Part::Train ? train : part == Part::Validation ? validation : test;
}

}  // namespace

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

std::shared_ptr<const SampleSource> load_part(DataOptions& options, Part part, std::uint64_t seed) {
  if (file_of_part(options, part).empty()) {
    return nullptr;
  }
  if (options.format == "idx") {
    return detail::load_idx(options, part);
  }
  if (options.format == "csv") {
    return detail::load_csv(options, part);
  }
  if (options.format == "hdf5") {
    return detail::load_hdf5(options, part);
  }
  if (options.format == "numpy") {
    return detail::load_numpy(options, part);
  }
  if (options.format == "images") {
    return detail::load_images(options, part);
  }
  if (options.format == "text") {
    return detail::load_text(options, part);
  }
  return options.format == "synthetic" ? detail::make_synthetic(options, part, seed)
                                       : detail::load_cifar(options, part);
}

namespace detail {

std::shared_ptr<const SampleSource> load_idx(const DataOptions& options, Part part) {
  const std::string images = options.path(of_part(part, options.train_images, {}, options.test_images));
  const std::string labels = options.path(of_part(part, options.train_labels, {}, options.test_labels));
  Tensor samples = io::read_idx(images);
  check(samples.dim() >= 2, images, ": holds ", describe(samples), ": need samples, [n, ...]");
  check(samples.size(0) > 0, images, ": no samples: need at least one");
  check(samples.numel() > 0, images, ": holds ", describe(samples), ": need samples that are not empty");
  check_finite(samples, images);
  DataInfo info;
  DimVector stored(samples.sizes());
  stored.erase(0);
  info.sample_shape = shape_for_models(stored);
  info.class_names = options.class_names;
  if (options.target == "input") {
    make_targets({}, samples.size(0), "input", labels, info);
    return std::make_shared<TensorSource>(std::move(samples), Tensor(), std::move(info));
  }
  const Tensor raw = io::read_idx(labels);
  const std::string wanted = options.target == "auto" ? "class" : options.target;
  check(raw.dim() == 1 || wanted != "class", labels, ": holds ", describe(raw),
        ": need one class for each sample, [n]");
  check(raw.dim() >= 1 && raw.size(0) == samples.size(0), labels, ": ", raw.dim() >= 1 ? raw.size(0) : 0,
        wanted == "class" ? " classes for " : " targets for ", samples.size(0), " samples in ", images,
        ": need one for each");
  Tensor targets = make_targets(raw, samples.size(0), wanted, labels, info);
  return std::make_shared<TensorSource>(std::move(samples), std::move(targets), std::move(info));
}

std::shared_ptr<const SampleSource> load_cifar(const DataOptions& options, Part part) {
  const bool ten = options.format == "cifar10";
  const std::vector<std::string> files =
      part == Part::Test ? std::vector{cifar_test_file(options)} : cifar_train_files(options);
  const bool coarse = options.labels == "coarse";
  io::LabelledImages data = io::read_cifar(files,
                                           ten      ? io::CifarLabels::Ten
                                           : coarse ? io::CifarLabels::Coarse
                                                    : io::CifarLabels::Fine,
                                           options.memory_bytes);
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
  return std::make_shared<TensorSource>(std::move(data.images), std::move(targets), std::move(info));
}

}  // namespace detail
}  // namespace backflow::train
