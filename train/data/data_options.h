#pragma once

#include <string>

#include <backflow/io/config.h>

namespace backflow::train {

/// [data]: where the samples come from.
struct DataOptions {
  std::string directory;     ///< of the four files, unless their names are absolute
  std::string train_images;  ///< IDX files, plain or .gz
  std::string train_labels;
  std::string test_images;
  std::string test_labels;
  double mean = 0;  ///< subtracted from samples that have been scaled to [0, 1]
  double std = 1;   ///< and divided by
  bool shuffle = true;

  std::string path(const std::string& file) const;
};

/// Reads [data]. Throws io::ConfigError.
DataOptions read_data_options(const io::Section& s);

/// Whether a key says where data files lie: nodes may have copies of their own, so what is in them counts.
bool is_data_path(const std::string& key);

}  // namespace backflow::train
