#include <backflow/train/data/data_options.h>

#include <algorithm>

namespace backflow::train {
namespace {

using io::Section;

constexpr std::int64_t kMaxSide = 1 << 14;

void read_idx_keys(const Section& s, DataOptions& data) {
  data.train_images = s.string({"train_images", "samples of the training data, an IDX file, plain or `.gz`"},
                               "train-images-idx3-ubyte.gz");
  data.train_labels = s.string({"train_labels", "their targets, an IDX file"}, "train-labels-idx1-ubyte.gz");
  data.test_images = s.string({"test_images", "samples of the test data; empty for none"}, "t10k-images-idx3-ubyte.gz");
  data.test_labels = s.string({"test_labels", "their targets"}, "t10k-labels-idx1-ubyte.gz");
}

void read_cifar_keys(const Section& s, DataOptions& data) {
  if (data.format == "cifar100") {
    data.labels =
        s.choice({"labels", "the 100 fine classes of CIFAR-100, or the 20 coarse ones"}, {"fine", "coarse"}, "fine");
  }
}

void read_file_keys(const Section& s, DataOptions& data) {
  data.train_file = s.string({"train_file", "the file of the training data"});
  data.validation_file = s.string({"validation_file", "the file of validation data; empty for none"}, "");
  data.test_file = s.string({"test_file", "the file of the test data; empty for none"}, "");
}

void read_missing_keys(const Section& s, DataOptions& data) {
  data.missing = s.choice({"missing",
                           "what a sample without a value does, that is a cell of `missing_cells` or NaN: an error, or "
                           "it is dropped, or gets the feature's mean in the training data, or `fill_values`"},
                          {"error", "drop", "mean", "fill"}, "error");
  if (data.missing == "fill") {
    data.fill_values = s.numbers({"fill_values", "what missing values become: one number, or one for each feature"}, {},
                                 std::vector<double>{0.0});
  }
}

/// Names that stand in a list twice, or in one that contradicts it.
void check_columns(const Section& s, const DataOptions& data) {
  const auto report = [&](const char* key, const std::string& name, const char* what) {
    s.report(key, to_text("'", key, "' in [data] has '", name, "' ", what));
  };
  const std::pair<const char*, const std::vector<std::string>&> lists[] = {{"target_columns", data.target_columns},
                                                                           {"ignore_columns", data.ignore_columns},
                                                                           {"category_columns", data.category_columns}};
  for (const auto& [key, names] : lists) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto earlier = names.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(names.begin(), earlier, names[i]) != earlier) {
        report(key, names[i], "twice: need each column once");
      }
    }
  }
  for (const std::string& name : data.ignore_columns) {
    const auto has = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (has(data.target_columns) || has(data.category_columns)) {
      report("ignore_columns", name, "of target_columns or category_columns: need it in one of them");
    }
  }
}

void read_csv_keys(const Section& s, DataOptions& data) {
  read_file_keys(s, data);
  const std::string separator =
      s.choice({"separator", "what stands between the cells of a record"}, {",", ";", "\t", " ", "|"}, ",");
  data.separator = separator.empty() ? ',' : separator.front();
  data.header =
      s.boolean({"header", "whether the first record names the columns; else they are \"1\", \"2\" and so on"}, true);
  data.target_columns = s.strings({"target_columns", "names of the columns that are to be predicted"});
  data.feature_columns =
      s.strings({"feature_columns",
                 "names of the columns that a model gets, in this order; empty: all others of the training data"},
                std::vector<std::string>{});
  data.ignore_columns = s.strings({"ignore_columns", "names of columns that are not used"}, std::vector<std::string>{});
  data.category_columns =
      s.strings({"category_columns", "names of columns of words, each word of which becomes a feature of 0 or 1"},
                std::vector<std::string>{});
  data.categories = s.strings({"categories", "these features, as \"color=red\"; empty: those of the training data"},
                              std::vector<std::string>{});
  data.missing_cells = s.strings({"missing_cells", "cells that stand for no value"},
                                 std::vector<std::string>{"", "NA", "N/A", "NaN", "nan", "null", "?"});
  read_missing_keys(s, data);
  check_columns(s, data);
}

void read_hdf5_keys(const Section& s, DataOptions& data) {
  read_file_keys(s, data);
  data.x = s.string({"x", "the dataset of the samples, [n, ...]"}, "x");
  data.y = s.string({"y", "the dataset of their targets, [n] or [n, ...]"}, "y");
  read_missing_keys(s, data);
}

void read_numpy_keys(const Section& s, DataOptions& data) {
  read_file_keys(s, data);
  data.train_targets_file = s.string({"train_targets_file", "the targets, where `train_file` is a `.npy`"}, "");
  data.validation_targets_file = s.string({"validation_targets_file", "likewise of validation data"}, "");
  data.test_targets_file = s.string({"test_targets_file", "likewise of test data"}, "");
  data.x = s.string({"x", "the array of the samples in a `.npz`"}, "x");
  data.y = s.string({"y", "the array of their targets in a `.npz`"}, "y");
  read_missing_keys(s, data);
}

void read_images_keys(const Section& s, DataOptions& data) {
  data.train_folder = s.string({"train_folder", "a folder with a folder of PNG and JPEG files for each class"});
  data.validation_folder = s.string({"validation_folder", "likewise of validation data; empty for none"}, "");
  data.test_folder = s.string({"test_folder", "likewise of test data; empty for none"}, "");
  data.height = s.integer({"height", "pixels that pictures are resized to"}, {.at_least = 1, .at_most = kMaxSide});
  data.width = s.integer({"width", "pixels that pictures are resized to"}, {.at_least = 1, .at_most = kMaxSide});
  data.channels = s.choice({"colors", "red, green and blue, or gray"}, {"rgb", "gray"}, "rgb") == "gray" ? 1 : 3;
  data.crop = s.choice({"fit", "pictures of another ratio of sides are stretched, or cropped around their centre"},
                       {"stretch", "crop"}, "stretch") == "crop";
}

void read_text_keys(const Section& s, DataOptions& data) {
  read_file_keys(s, data);
  data.length = s.integer({"length", "bytes of a sample; the model predicts the byte after each"},
                          {.at_least = 1, .at_most = 1 << 20}, 128);
  data.stride =
      s.integer({"stride", "bytes from a sample to the next; 0: `length`"}, {.at_least = 0, .at_most = 1 << 20}, 0);
  data.stride = data.stride == 0 ? data.length : data.stride;
}

void read_synthetic_keys(const Section& s, DataOptions& data) {
  data.generator = s.choice(
      {"generator",
       "what is made: numbers with a law, spirals in the plane, pictures of digits, or sequences to be copied"},
      {"regression", "spirals", "digits", "copy"}, "regression");
  data.samples = s.integer({"samples", "number of training samples"}, {.at_least = 1, .at_most = 1 << 24}, 1000);
  data.test_samples = s.integer({"test_samples", "number of test samples"}, {.at_least = 0, .at_most = 1 << 24}, 200);
  if (data.generator == "regression") {
    data.features = s.integer({"features", "numbers of a sample"}, {.at_least = 1, .at_most = 1 << 16}, 8);
  }
  if (data.generator == "spirals" || data.generator == "copy") {
    data.classes =
        s.integer({"classes", "number of spirals, or of different tokens"}, {.at_least = 2, .at_most = 256}, 3);
  }
  if (data.generator == "digits") {
    data.size = s.integer({"size", "height and width of the pictures"}, {.at_least = 8, .at_most = 256}, 16);
  }
  if (data.generator == "copy") {
    data.length = s.integer({"length", "tokens that are to be copied"}, {.at_least = 1, .at_most = 1 << 12}, 8);
  } else {
    data.noise = s.number({"noise", "standard deviation of what is added: to targets, points or pixels (of 0 to 1)"},
                          {.at_least = 0, .at_most = 1e3}, 0.05);
  }
}

void read_format_keys(const Section& s, DataOptions& data) {
  if (data.format == "synthetic") {
    return read_synthetic_keys(s, data);
  }
  data.directory = s.string({"directory", "of the files and folders; relative to the current directory"}, ".");
  if (data.format == "idx") {
    read_idx_keys(s, data);
  } else if (data.format == "csv") {
    read_csv_keys(s, data);
  } else if (data.format == "hdf5") {
    read_hdf5_keys(s, data);
  } else if (data.format == "numpy") {
    read_numpy_keys(s, data);
  } else if (data.format == "images") {
    read_images_keys(s, data);
  } else if (data.format == "text") {
    read_text_keys(s, data);
  } else {
    read_cifar_keys(s, data);
  }
}

void read_normalization(const Section& s, DataOptions& data) {
  data.normalize = s.choice({"normalize",
                             "samples become (x - mean) / std, where bytes have become 0 to 1 before: by the numbers "
                             "given, by those of the training data for each channel or feature, or not at all"},
                            {"given", "auto", "none"}, "given");
  if (data.normalize != "given") {
    const std::string why = "it is a key of normalize = \"given\", not of \"" + data.normalize + "\"";
    for (const char* key : {"mean", "std", "means", "stds"}) {
      s.explain(key, why);
    }
    return;
  }
  // What pixels become is a number that float32 holds.
  const io::NumberRange mean = {.at_least = -1e15, .at_most = 1e15};
  const io::NumberRange std = {.at_least = 1e-15};
  data.mean = s.number({"mean", "what is subtracted from all numbers"}, mean, 0.0);
  data.std = s.number({"std", "what all numbers are then divided by"}, std, 1.0);
  data.means = s.numbers({"means", "instead of `mean`: one for each channel or feature"}, mean, std::vector<double>{});
  data.stds = s.numbers({"stds", "instead of `std`: one for each channel or feature"}, std, std::vector<double>{});
  if (data.means.size() != data.stds.size()) {
    s.fail("stds", to_text("'stds' in [data] has ", data.stds.size(), " numbers, 'means' ", data.means.size(),
                           ": need as many of both"));
  }
}

AugmentOptions read_augment(const Section& s) {
  AugmentOptions a;
  a.crop_padding = s.integer(
      {"crop_padding", "pixels that pictures are moved by at most, in all directions; the rest becomes the mean"},
      {.at_least = 0, .at_most = kMaxSide}, 0);
  a.flip = s.boolean({"flip", "every other picture, at random, is flipped: left becomes right"}, false);
  a.rotate = s.number({"rotate", "degrees that pictures are turned by at most, either way"},
                      {.at_least = 0, .at_most = 180}, 0.0);
  a.noise = s.number({"noise", "standard deviation of what is added to normalized numbers"},
                     {.at_least = 0, .at_most = 1e3}, 0.0);
  a.cutout = s.integer({"cutout", "side of a square in each picture that becomes the mean"},
                       {.at_least = 0, .at_most = kMaxSide}, 0);
  a.mixup = s.number(
      {"mixup", "when above 0, each sample is mixed with another: alpha of the beta distribution of their shares"},
      {.at_least = 0, .at_most = 100}, 0.0);
  return a;
}

void read_sampling(const Section& s, DataOptions& data) {
  data.sampling = s.choice({"sampling",
                            "each sample once in an epoch; or drawn at random: all classes equally often, by weights "
                            "of classes, or by weights in a file"},
                           {"uniform", "balanced", "classes", "file"}, "uniform");
  if (data.sampling == "classes") {
    data.class_weights = s.numbers({"class_weights", "how often samples of each class are drawn, relative to others"},
                                   {.at_least = 0, .at_most = 1e12});
  }
  if (data.sampling == "file") {
    data.weights_file =
        s.string({"weights_file", "a CSV file without header, or a `.npy`, with a weight for each training sample"});
  }
  data.shuffle = s.boolean({"shuffle", "a new order in each epoch"}, true);
}

void read_memory(const Section& s, DataOptions& data) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  constexpr std::int64_t kMost = 1 << 30;
  data.prefetch = s.integer({"prefetch",
                             "batches that are made ahead on threads of their own; 0: each is made when it is needed; "
                             "-1: from 2 to 32, as many as 16 MiB hold"},
                            {.at_least = -1, .at_most = 1024}, -1);
  data.workers = s.integer({"workers", "threads that make batches ahead"}, {.at_least = 1, .at_most = 256}, 1);
  data.memory_bytes =
      kMiB * static_cast<std::uint64_t>(s.integer({"memory_mb",
                                                   "MiB: data sets up to this size are read at the start; of larger "
                                                   "ones HDF5 and `.npy` are read as they are needed"},
                                                  {.at_least = 1, .at_most = kMost}, 1024));
  data.cache_bytes = kMiB * static_cast<std::uint64_t>(s.integer(
                                {"cache_mb", "MiB that are kept of an HDF5 file that is read as it is needed"},
                                {.at_least = 1, .at_most = kMost}, 128));
}

}  // namespace

DataOptions read_data_options(const Section& s) {
  DataOptions data{.section = s};
  data.format = s.choice({"format", "what the data files are"},
                         {"idx", "cifar10", "cifar100", "csv", "hdf5", "numpy", "images", "text", "synthetic"}, "idx");
  read_format_keys(s, data);
  data.target = s.choice({"target",
                          "what targets are: a class, numbers, several labels of 0 or 1, or the sample itself; "
                          "`\"auto\"`: as the data suggest"},
                         {"auto", "class", "values", "labels", "input"}, "auto");
  data.class_names = s.strings({"class_names",
                                "words or folders that are classes, in their order, or names of the classes 0, 1, ...; "
                                "empty: words or folders of "
                                "the training data, sorted"},
                               std::vector<std::string>{});
  data.validation =
      s.number({"validation", "the part of the training data that is split off for validation, by the seed"},
               {.at_least = 0, .at_most = 0.9}, 0.0);
  read_normalization(s, data);
  data.augment = read_augment(s.section({"augment", "how training samples are changed at random"}));
  read_sampling(s, data);
  read_memory(s, data);
  return data;
}

}  // namespace backflow::train
