#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::train {

/// What a task needs to know of targets.
enum class TargetKind {
  Class,   ///< int64 [n], from 0
  Values,  ///< numbers of the run's dtype, [n, target_shape...]
  Labels,  ///< several labels at once, 0 or 1 of the run's dtype, [n, labels]
  Input,   ///< the sample itself
  Tokens,  ///< int64 [n, length]: the token after each of the sample's
};

/// The word for it in a configuration: "class", "values", "labels", "input", "tokens".
const char* name_of(TargetKind kind);

/// What the samples of a data set are, as a model sees them.
struct DataInfo {
  DimVector sample_shape;              ///< of one sample, as [1, 28, 28] or [features]
  ScalarType sample_dtype = kFloat32;  ///< of Batch::x: the run's dtype, or int64 for tokens
  TargetKind target = TargetKind::Class;
  std::int64_t classes = 0;  ///< of Class and Tokens, else 0
  DimVector target_shape;    ///< of one target: [] for a class, [outputs], [labels], [length], or that of a sample
  std::vector<std::string> class_names;    ///< by class; may be empty
  std::vector<std::string> feature_names;  ///< of samples [features]; may be empty
  std::vector<std::string> target_names;   ///< of values and labels; may be empty
};

/// Samples that go through a model together.
struct Batch {
  Tensor x;       ///< [n, sample_shape...] of DataInfo::sample_dtype
  Tensor target;  ///< as TargetKind says; of mixup with classes: probabilities [n, classes] of the run's dtype
  Tensor weight;  ///< [n] of the run's dtype: factors of the samples' losses; undefined when all are 1

  std::int64_t size() const { return x.size(0); }
  /// Samples `begin` to `end` - 1; shares memory.
  Batch slice(std::int64_t begin, std::int64_t end) const;
};

}  // namespace backflow::train
