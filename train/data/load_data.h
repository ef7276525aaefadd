#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <backflow/train/data/batch_maker.h>
#include <backflow/train/data/data_options.h>
#include <backflow/train/data/formats.h>
#include <backflow/train/run/mistakes.h>

namespace backflow::train {

/// The data that a configuration describes.
struct LoadedData {
  std::optional<BatchMaker> train;
  std::optional<BatchMaker> validation;
  std::optional<BatchMaker> test;
  /// Overrides, as "data.means=[0.25]", for what was found in the training data: normalization, names of classes
  /// and features, the kind of targets, categories, values for missing ones. A configuration with them reads other data
  /// by the training data's numbers.
  std::vector<std::string> settled;
};

/// Reads the data. Validation data are split off from the training data by the seed, sample by sample; of a file that
/// is read as it is needed, block by block. The same on all ranks. Notes io::ConfigError for files that are not there
/// and for options that do not fit the data or each other, and Error for damaged files, which name file and record.
/// Parts with a mistake are left out, and the others are read all the same. With Contents::Shapes nothing is measured:
/// normalize = "auto" gives no numbers.
LoadedData load_data(const DataOptions& options, ScalarType dtype, std::uint64_t seed, DataPurpose purpose,
                     Contents contents, Mistakes& mistakes);
/// The same, all samples; throws the mistakes.
LoadedData load_data(const DataOptions& options, ScalarType dtype, std::uint64_t seed, DataPurpose purpose);

}  // namespace backflow::train
