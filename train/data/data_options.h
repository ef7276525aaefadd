#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/io/config.h>

namespace backflow::train {

/// [data.augment]: how training samples are changed at random.
struct AugmentOptions {
  std::int64_t crop_padding = 0;  ///< pixels that pictures are moved by at most; what is left is the mean
  bool flip = false;              ///< left and right, of every other picture
  double rotate = 0;              ///< degrees at most, either way
  double noise = 0;               ///< standard deviation of what is added to normalized numbers
  std::int64_t cutout = 0;        ///< side of a square that becomes the mean
  double mixup = 0;               ///< alpha of the beta distribution of the shares of two samples

  bool any() const { return of_pictures() || noise > 0 || mixup > 0; }
  bool of_pictures() const { return crop_padding > 0 || flip || rotate > 0 || cutout > 0; }
};

/// [data]: where the samples come from, and what becomes of them. Keys of other formats keep their defaults.
struct DataOptions {
  io::Section section;  ///< for errors
  std::string format = "idx";
  std::string directory = ".";  ///< of the files, unless their names are absolute

  std::string train_images;  ///< idx: files, plain or .gz
  std::string train_labels;
  std::string test_images;
  std::string test_labels;
  std::string labels;  ///< cifar100: "fine" or "coarse"

  std::string train_file;  ///< csv, hdf5, numpy, text
  std::string validation_file;
  std::string test_file;
  std::string train_targets_file;  ///< numpy, of .npy
  std::string validation_targets_file;
  std::string test_targets_file;
  std::string x;  ///< hdf5, numpy (.npz): names of the arrays
  std::string y;

  std::string train_folder;  ///< images
  std::string validation_folder;
  std::string test_folder;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;
  bool crop = false;

  char separator = ',';  ///< csv
  bool header = true;
  std::vector<std::string> target_columns;
  std::vector<std::string> feature_columns;  ///< in their order; empty: those of the training data
  std::vector<std::string> ignore_columns;
  std::vector<std::string> category_columns;
  std::vector<std::string>
      categories;  ///< "color=red", in the order of the features; empty: those of the training data
  std::vector<std::string> missing_cells;
  std::string missing;              ///< csv, hdf5, numpy: "error", "drop", "mean" or "fill"
  std::vector<double> fill_values;  ///< by feature, or one for all

  std::int64_t length = 0;  ///< text: tokens of a sample
  std::int64_t stride = 0;

  std::string generator;  ///< synthetic
  std::int64_t samples = 0;
  std::int64_t test_samples = 0;
  std::int64_t features = 0;
  std::int64_t classes = 0;
  std::int64_t size = 0;
  double noise = 0;

  std::string target;                    ///< "auto", "class", "values", "labels" or "input"
  std::vector<std::string> class_names;  ///< empty: those of the training data
  double validation = 0;                 ///< the part of the training data that is split off
  std::string normalize;                 ///< "given", "auto" or "none"
  double mean = 0;
  double std = 1;
  std::vector<double> means;  ///< by channel or feature
  std::vector<double> stds;
  AugmentOptions augment;
  std::string sampling;  ///< "uniform", "balanced", "classes" or "file"
  std::vector<double> class_weights;
  std::string weights_file;
  bool shuffle = true;
  std::int64_t prefetch = -1;
  std::int64_t workers = 1;
  std::uint64_t memory_bytes = 0;  ///< data sets up to this size are read at the start
  std::uint64_t cache_bytes = 0;   ///< of a file that is larger

  std::string path(const std::string& file) const;
};

/// Reads [data]. Throws io::ConfigError.
DataOptions read_data_options(const io::Section& s);

/// The files of the binary version of CIFAR-10 or CIFAR-100, with their folder.
std::vector<std::string> cifar_train_files(const DataOptions& options);
std::string cifar_test_file(const DataOptions& options);

/// What data are read for.
enum class DataPurpose : std::uint8_t {
  Training,    ///< all data
  Evaluation,  ///< test data and files of validation data, by a configuration that is settled. What was split off from
               ///< the training data is read where there are no test data
};

/// Whether the training data are read.
bool reads_training_data(const DataOptions& options, DataPurpose purpose);

/// Whether a key says where data files lie: nodes may have copies of their own, so what is in them counts.
bool is_data_path(const std::string& key);

}  // namespace backflow::train
