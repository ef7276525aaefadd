#include <backflow/train/data/data_options.h>

#include <filesystem>

namespace backflow::train {

DataOptions read_data_options(const io::Section& s) {
  s.choice("format", {"idx"}, "idx");
  DataOptions data;
  data.directory = s.string("directory", ".");
  data.train_images = s.string("train_images", "train-images-idx3-ubyte.gz");
  data.train_labels = s.string("train_labels", "train-labels-idx1-ubyte.gz");
  data.test_images = s.string("test_images", "t10k-images-idx3-ubyte.gz");
  data.test_labels = s.string("test_labels", "t10k-labels-idx1-ubyte.gz");
  // What pixels become is a number that float32 holds.
  data.mean = s.number("mean", {.at_least = -1e15, .at_most = 1e15}, 0.0);
  data.std = s.number("std", {.at_least = 1e-15}, 1.0);
  data.shuffle = s.boolean("shuffle", true);
  return data;
}

std::string DataOptions::path(const std::string& file) const {
  return (std::filesystem::path(directory) / file).lexically_normal().string();
}

bool is_data_path(const std::string& key) {
  return key == "data.directory" ||
         (key.starts_with("data.") && (key.ends_with("_images") || key.ends_with("_labels")));
}

}  // namespace backflow::train
