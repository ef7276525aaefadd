#pragma once

#include <cstdint>
#include <memory>

#include <backflow/train/data/data_options.h>
#include <backflow/train/data/sample_source.h>

// What makes sources of files, a function for each format. Each throws Error for damaged data, and io::ConfigError for
// options that do not fit them.

namespace backflow::train {

enum class Part : std::uint8_t { Train, Validation, Test };

/// What is read of data.
enum class Contents : std::uint8_t {
  Samples,  ///< all
  Shapes,   ///< number, shape and targets, into a DescribedSource. Cells of CSV files and pictures are checked as well,
            ///< one after the other; numbers in other files are not
};

/// Of the training data, names of classes and features, categories and values for missing ones are put into the
/// options, where they are not given; other parts are read by these. Null where the options name no such data.
std::shared_ptr<const SampleSource> load_part(DataOptions& options, Part part, std::uint64_t seed,
                                              Contents contents = Contents::Samples);

/// Throws io::ConfigError for all files and folders that the options name for a part and that are not there; for the
/// training data also the file of their weights.
void check_files(const DataOptions& options, Part part);

/// Of the three, that of a part.
template <class T>
T of_part(Part part, const T& training, const T& validation, const T& test) {
  return part == Part::Train ? training : part == Part::Validation ? validation : test;
}

/// The file or folder that the options name for a part; empty for none. For messages and checks.
std::string file_of_part(const DataOptions& options, Part part);

/// A file that a key of [data] names.
struct NamedFile {
  const char* key;
  std::string file;
  std::string need;  ///< for the message when it is not there
};

/// The .npy file of the targets of a part.
NamedFile targets_file_of_part(const DataOptions& options, Part part);

namespace detail {
std::shared_ptr<const SampleSource> load_idx(const DataOptions& options, Part part, Contents contents);
std::shared_ptr<const SampleSource> load_cifar(const DataOptions& options, Part part, Contents contents);
std::shared_ptr<const SampleSource> load_csv(DataOptions& options, Part part, Contents contents);
std::shared_ptr<const SampleSource> load_hdf5(DataOptions& options, Part part, Contents contents);
std::shared_ptr<const SampleSource> load_numpy(DataOptions& options, Part part, Contents contents);
std::shared_ptr<const SampleSource> load_images(DataOptions& options, Part part, Contents contents);
std::shared_ptr<const SampleSource> load_text(const DataOptions& options, Part part, Contents contents);
/// Sample i depends on (seed, part, i) alone.
std::shared_ptr<const SampleSource> make_synthetic(const DataOptions& options, Part part, std::uint64_t seed,
                                                   Contents contents);
}  // namespace detail

}  // namespace backflow::train
