// Which files the options name.
#include <filesystem>
#include <string_view>

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

struct NamedFile {
  const char* key;
  std::string file;
  std::string need;
};

std::vector<NamedFile> cifar_files(const DataOptions& o, Part part) {
  std::vector<NamedFile> files;
  const std::string need = "need the files of the binary version of " + o.format;
  if (part == Part::Train) {
    for (const std::string& file : cifar_train_files(o)) {
      files.push_back({"directory", file, need});
    }
  } else if (part == Part::Test) {
    files.push_back({"directory", cifar_test_file(o), need});
  }
  return files;
}

/// What the options name for a part, found or not.
std::vector<NamedFile> files_of(const DataOptions& o, Part part) {
  if (o.format.starts_with("cifar")) {
    return cifar_files(o, part);
  }
  const std::string idx = "need an IDX file; the package dataset-fashion-mnist has four";
  const std::string none = "need a file, or \"\" for none";
  const std::string no_folder = "need a folder, or \"\" for none";
  const std::string targets = "need a .npy file";
  switch (part) {
    case Part::Train:
      return {{"train_images", o.train_images, idx},
              {"train_labels", o.train_labels, idx},
              {"train_file", o.train_file, "need a file of format \"" + o.format + "\""},
              {"train_targets_file", o.train_targets_file, targets},
              {"train_folder", o.train_folder, "need a folder with a folder for each class"},
              {"weights_file", o.weights_file, "need a CSV or .npy file"}};
    case Part::Validation:
      return {{"validation_file", o.validation_file, none},
              {"validation_targets_file", o.validation_targets_file, targets},
              {"validation_folder", o.validation_folder, no_folder}};
    case Part::Test:
      return {{"test_images", o.test_images, idx},
              {"test_labels", o.test_labels, idx},
              {"test_file", o.test_file, none},
              {"test_targets_file", o.test_targets_file, targets},
              {"test_folder", o.test_folder, no_folder}};
  }
  return {};
}

bool is_of_targets(std::string_view key) { return key.ends_with("_labels") || key.ends_with("_targets_file"); }

}  // namespace

bool reads_training_data(const DataOptions& options, DataPurpose purpose) {
  return purpose == DataPurpose::Training || (options.validation > 0 && file_of_part(options, Part::Test).empty());
}

void check_files(const DataOptions& options, Part part) {
  std::string missing;
  std::error_code no_folder;
  if (options.format.starts_with("cifar") && !std::filesystem::is_directory(options.path(""), no_folder)) {
    options.section.fail("directory", to_text("'directory' in [data]: no such folder: ", options.path(""),
                                              ": need the files of the binary version of ", options.format));
  }
  for (const auto& [key, file, need] : files_of(options, part)) {
    if (options.target == "input" && is_of_targets(key)) {
      continue;
    }
    std::error_code error;
    const bool folder = std::string_view(key).ends_with("_folder");
    const std::string path = options.path(file);
    const bool there =
        folder ? std::filesystem::is_directory(path, error) : std::filesystem::is_regular_file(path, error);
    if (!file.empty() && !there) {
      missing += to_text(missing.empty() ? "" : "\n", options.section.where(key), ": '", key, "' in [data]: no such ",
                         folder ? "folder" : "file", ": ", path, ": ", need);
    }
  }
  if (!missing.empty()) {
    throw io::ConfigError(missing);
  }
}

bool is_data_path(const std::string& key) {
  return key == "data.directory" ||
         (key.starts_with("data.") &&
          (key.ends_with("_images") || key.ends_with("_labels") || key.ends_with("_file") || key.ends_with("_folder")));
}

}  // namespace backflow::train
