// Which files the options name.
#include <filesystem>
#include <string_view>
#include <tuple>

#include <backflow/train/data/data_options.h>
#include <backflow/train/data/formats.h>

namespace backflow::train {

std::string DataOptions::path(const std::string& file) const {
  return (std::filesystem::path(directory) / file).lexically_normal().string();
}

std::vector<std::string> cifar_train_files(const DataOptions& options) {
  if (options.format == "cifar100") {
    return {options.path("train.bin")};
  }
  std::vector<std::string> files;
  for (int i = 1; i <= 5; ++i) {
    files.push_back(options.path(to_text("data_batch_", i, ".bin")));
  }
  return files;
}

std::string cifar_test_file(const DataOptions& options) {
  return options.path(options.format == "cifar100" ? "test.bin" : "test_batch.bin");
}

namespace {

void check_cifar_files(const DataOptions& options, bool with_training) {
  std::vector<std::string> files = with_training ? cifar_train_files(options) : std::vector<std::string>();
  files.push_back(cifar_test_file(options));
  for (const std::string& file : files) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error)) {
      options.section.fail("directory", to_text("'directory' in [data]: no such file: ", file,
                                                ": need the files of the binary version of ", options.format));
    }
  }
}

/// Whether a key names a file of which only training has need.
bool is_of_training(std::string_view key) { return key.starts_with("train_") || key == "weights_file"; }

}  // namespace

bool reads_training_data(const DataOptions& options, DataPurpose purpose) {
  return purpose == DataPurpose::Training || (options.validation > 0 && file_of_part(options, Part::Test).empty());
}

void check_data_files(const DataOptions& o, DataPurpose purpose) {
  const bool with_training = reads_training_data(o, purpose);
  if (o.format.starts_with("cifar")) {
    return check_cifar_files(o, with_training);
  }

  const std::string idx = "need an IDX file; the package dataset-fashion-mnist has four";
  const std::tuple<const char*, const std::string&, const std::string> files[] = {
      {"train_images", o.train_images, idx},
      {"train_labels", o.train_labels, idx},
      {"test_images", o.test_images, idx},
      {"test_labels", o.test_labels, idx},
      {"train_file", o.train_file, "need a file of format \"" + o.format + "\""},
      {"validation_file", o.validation_file, "need a file, or \"\" for none"},
      {"test_file", o.test_file, "need a file, or \"\" for none"},
      {"train_targets_file", o.train_targets_file, "need a .npy file"},
      {"validation_targets_file", o.validation_targets_file, "need a .npy file"},
      {"test_targets_file", o.test_targets_file, "need a .npy file"},
      {"train_folder", o.train_folder, "need a folder with a folder for each class"},
      {"validation_folder", o.validation_folder, "need a folder, or \"\" for none"},
      {"test_folder", o.test_folder, "need a folder, or \"\" for none"},
      {"weights_file", o.weights_file, "need a CSV or .npy file"}};
  for (const auto& [key, file, need] : files) {
    if (is_of_training(key) && !with_training) {
      continue;
    }
    std::error_code error;
    const bool folder = std::string_view(key).ends_with("_folder");
    const std::string path = o.path(file);
    const bool there =
        folder ? std::filesystem::is_directory(path, error) : std::filesystem::is_regular_file(path, error);
    if (!file.empty() && !there) {
      o.section.fail(key,
                     to_text("'", key, "' in [data]: no such ", folder ? "folder" : "file", ": ", path, ": ", need));
    }
  }
}

bool is_data_path(const std::string& key) {
  return key == "data.directory" ||
         (key.starts_with("data.") &&
          (key.ends_with("_images") || key.ends_with("_labels") || key.ends_with("_file") || key.ends_with("_folder")));
}

}  // namespace backflow::train
