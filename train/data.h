#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/runtime/tensor.h>
#include <backflow/train/experiment.h>

namespace backflow::train {

/// Samples and their classes, held as they are in the files.
struct Dataset {
  Tensor images;  ///< uint8 [n, ...]
  Tensor labels;  ///< int64 [n]

  std::int64_t size() const { return labels.numel(); }
  std::int64_t num_classes() const;
  /// The shape of one sample; pictures get a dimension of size 1 in front, for their one channel.
  DimVector sample_shape() const;
};

/// Reads a pair of IDX files. Throws Error when one is damaged, or the two do not belong together.
Dataset load_dataset(const std::string& images, const std::string& labels);

struct Batch {
  Tensor x;       ///< [n, ...] of the run's dtype
  Tensor target;  ///< int64 [n]
};

/// Makes batches of a data set: samples scaled to [0, 1], then normalized. Batches may be made by several threads.
class BatchMaker {
 public:
  BatchMaker(Dataset dataset, const DataOptions& options, ScalarType dtype);

  Batch make(const std::vector<std::int64_t>& indices) const;
  const Dataset& dataset() const { return dataset_; }

 private:
  Dataset dataset_;
  ScalarType dtype_;
  std::vector<double> value_of_;  // by byte
};

}  // namespace backflow::train
