#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace backflow::io {

/// The pictures in a folder that has a folder for each class.
struct ImageFolder {
  std::vector<std::string> class_names;  ///< names of the folders, sorted by their bytes
  std::vector<std::string> paths;        ///< sorted by class, then by name
  std::vector<std::int64_t> labels;      ///< by picture
};

/// Lists the files in `folder`/CLASS/ whose name ends with .png, .jpg or .jpeg. Hidden files and folders, other files
/// and folders in those of classes do not count. With `classes` these are the names, in their order, and a folder of
/// another name is an error. Throws Error for a folder that cannot be read, one without classes, and a class without
/// pictures, which of given classes one may be. No picture is opened.
ImageFolder list_image_folder(const std::string& folder, const std::vector<std::string>& classes = {});

}  // namespace backflow::io
