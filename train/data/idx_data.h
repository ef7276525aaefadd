#pragma once

#include <memory>
#include <string>

#include <backflow/train/data/sample_source.h>

namespace backflow::train {

/// Reads a pair of IDX files. Pictures [n, height, width] get a dimension of size 1 in front, for their one channel.
/// Throws Error when one is damaged, when the two do not belong together, when samples are empty, and for a label that
/// is no class: whole numbers from 0, not many more than there are samples.
std::shared_ptr<const TensorSource> load_idx(const std::string& images, const std::string& labels);

/// Throws Error, which names the file and the sample, for a class that is none of `classes`, those of what `whose`
/// says.
void check_classes(const TensorSource& source, const std::string& labels, std::int64_t classes,
                   const std::string& whose);

}  // namespace backflow::train
