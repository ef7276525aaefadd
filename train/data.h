#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>
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

/// Reads a pair of IDX files. Throws Error when one is damaged, when the two do not belong together, when samples are
/// empty, and for a label that is no class: whole numbers from 0, not many more than there are samples.
Dataset load_dataset(const std::string& images, const std::string& labels);

/// Throws Error, which names the file and the sample, for a label that is none of `classes`, those of what `whose`
/// says.
void check_classes(const Dataset& dataset, const std::string& labels, std::int64_t classes, const std::string& whose);

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
