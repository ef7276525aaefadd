#pragma once

#include <cstdint>
#include <vector>

#include <backflow/train/data/batch_maker.h>

namespace backflow::train {

/// Mean and standard deviation of each channel of samples [channels, height, width], or of each feature of samples
/// [features], over the given samples of a source. What does not vary gets a standard deviation of 1. The same bits on
/// any number of threads: sums are cut by the number of samples alone. Reads all of the samples, in pieces.
Normalization measure_normalization(const SampleSource& source, const std::vector<std::int64_t>& samples);

}  // namespace backflow::train
