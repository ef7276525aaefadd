// Which files the options name.
#include <algorithm>
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

NamedFile main_file(const DataOptions& o, Part part) {
  const std::string file = file_of_part(o, part);
  if (o.format == "images") {
    const char* const key = of_part<const char*>(part, "train_folder", "validation_folder", "test_folder");
    return {key, file,
            part == Part::Train ? "need a folder with a folder for each class" : "need a folder, or \"\" for none"};
  }
  const char* const key = of_part<const char*>(part, "train_file", "validation_file", "test_file");
  return {key, file,
          part == Part::Train ? "need a file of format \"" + o.format + "\"" : "need a file, or \"\" for none"};
}

/// What the options name for a part, in the keys of their format, found or not.
std::vector<NamedFile> files_of(const DataOptions& o, Part part) {
  std::vector<NamedFile> files;
  const bool is_named = !file_of_part(o, part).empty();
  if (is_named && o.format.starts_with("cifar")) {
    files = cifar_files(o, part);
  } else if (is_named && o.format == "idx") {
    const std::string need = "need an IDX file; the package dataset-fashion-mnist has four";
    const bool training = part == Part::Train;
    files = {{training ? "train_images" : "test_images", training ? o.train_images : o.test_images, need},
             {training ? "train_labels" : "test_labels", training ? o.train_labels : o.test_labels, need}};
  } else if (is_named && o.format != "synthetic") {
    files.push_back(main_file(o, part));
    if (o.format == "numpy") {
      files.push_back(targets_file_of_part(o, part));
    }
  }
  if (part == Part::Train) {
    files.push_back({"weights_file", o.weights_file, "need a CSV or .npy file"});
  }
  return files;
}

bool is_of_targets(std::string_view key) { return key.ends_with("_labels") || key.ends_with("_targets_file"); }

}  // namespace

NamedFile targets_file_of_part(const DataOptions& o, Part part) {
  return {of_part<const char*>(part, "train_targets_file", "validation_targets_file", "test_targets_file"),
          of_part(part, o.train_targets_file, o.validation_targets_file, o.test_targets_file), "need a .npy file"};
}

bool reads_training_data(const DataOptions& options, DataPurpose purpose) {
  return purpose == DataPurpose::Training || (options.validation > 0 && file_of_part(options, Part::Test).empty());
}

void check_files(const DataOptions& options, Part part) {
  std::string missing;
  std::error_code no_folder;
  const std::vector<NamedFile> files = files_of(options, part);
  const bool in_directory = std::any_of(files.begin(), files.end(), [](const NamedFile& named) {
    return !named.file.empty() &&
           (std::filesystem::path(named.file).is_relative() || named.key == std::string_view("directory"));
  });
  if (in_directory && !options.directory.empty() && !std::filesystem::is_directory(options.directory, no_folder)) {
    options.section.fail("directory", to_text("'directory' in [data]: no such folder: ", options.directory,
                                              ": need that of the data, in which other paths begin"));
  }
  for (const auto& [key, file, need] : files) {
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
