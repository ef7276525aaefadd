#include <backflow/io/datasets/image_folder.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

namespace fs = std::filesystem;

bool is_picture(const std::string& name) {
  std::string lower(name);
  std::transform(name.begin(), name.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower.ends_with(".png") || lower.ends_with(".jpg") || lower.ends_with(".jpeg");
}

/// The names in a folder that are not hidden, sorted by their bytes.
std::vector<std::string> names_in(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with('.')) names.push_back(name);
  }
  check(!error, folder, ": cannot list: ", error.message(), ": need a folder with a folder for each class");
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> folders_in(const std::string& folder) {
  std::vector<std::string> names = names_in(folder);
  std::erase_if(names, [&](const std::string& name) {
    std::error_code error;
    return !fs::is_directory(fs::path(folder) / name, error);
  });
  return names;
}

}  // namespace

ImageFolder list_image_folder(const std::string& folder, const std::vector<std::string>& classes) {
  ImageFolder result{classes, {}, {}};
  const std::vector<std::string> found = folders_in(folder);
  check(!found.empty(), folder, ": no folders in it: need a folder of pictures for each class");
  if (classes.empty()) result.class_names = found;
  for (const std::string& name : found) {
    const auto place = std::find(result.class_names.begin(), result.class_names.end(), name);
    check(place != result.class_names.end(), folder, ": folder '", name, "' is none of the ", classes.size(),
          " classes of the training data: need one of these");
    const std::size_t before = result.paths.size();
    for (const std::string& file : names_in((fs::path(folder) / name).string())) {
      if (is_picture(file)) {
        result.paths.push_back((fs::path(folder) / name / file).string());
        result.labels.push_back(place - result.class_names.begin());
      }
    }
    check(!classes.empty() || result.paths.size() > before, folder, ": class '", name,
          "' has no pictures: need .png, .jpg or .jpeg");
  }
  check(!result.paths.empty(), folder, ": no pictures: need .png, .jpg or .jpeg in folders of classes");
  return result;
}

}  // namespace backflow::io
