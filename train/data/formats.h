#pragma once

#include <cstdint>
#include <memory>

#include <backflow/train/data/data_options.h>
#include <backflow/train/data/sample_source.h>

// What makes sources of files, a function for each format. Each throws Error for damaged data, and io::ConfigError for
// options that do not fit them.

namespace backflow::train {

enum class Part : std::uint8_t { Train, Validation, Test };

/// Of the training data, names of classes and features, categories and values for missing ones are put into the
/// options, where they are not given; other parts are read by these. Null where the options name no such data.
std::shared_ptr<const SampleSource> load_part(DataOptions& options, Part part, std::uint64_t seed);

/// The file or folder that the options name for a part; empty for none. For messages and checks.
std::string file_of_part(const DataOptions& options, Part part);

namespace detail {
std::shared_ptr<const SampleSource> load_idx(const DataOptions& options, Part part);
std::shared_ptr<const SampleSource> load_cifar(const DataOptions& options, Part part);
std::shared_ptr<const SampleSource> load_csv(DataOptions& options, Part part);
std::shared_ptr<const SampleSource> load_hdf5(DataOptions& options, Part part);
std::shared_ptr<const SampleSource> load_numpy(DataOptions& options, Part part);
std::shared_ptr<const SampleSource> load_images(DataOptions& options, Part part);
std::shared_ptr<const SampleSource> load_text(const DataOptions& options, Part part);
/// Sample i depends on (seed, part, i) alone.
std::shared_ptr<const SampleSource> make_synthetic(const DataOptions& options, Part part, std::uint64_t seed);
}  // namespace detail

}  // namespace backflow::train
