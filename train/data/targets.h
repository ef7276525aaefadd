#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <backflow/train/data/data_info.h>

namespace backflow::train {

/// Makes the targets of `samples` samples from what a file holds, [n] or [n, ...], and fills in what `info` says of
/// them. `wanted` is data.target: "auto" makes whole numbers [n] of an integer dtype classes, integers [n, labels] of 0
/// and 1 labels, and all else values. Returns int64 [n] for classes, float64 [n, ...] for values and labels, and
/// nothing for "input". Where info.class_names has names, they are those of the classes 0, 1, ..., and no others may
/// be.
///
/// Throws Error, which names `file` and the sample, counted from 0, for targets of another number, for a class that is
/// negative, not whole, or of 1,000 or more and 10 times the number of samples, for a label that is neither 0 nor 1,
/// and for a value that is not finite.
Tensor make_targets(const Tensor& raw, std::int64_t samples, const std::string& wanted, const std::string& file,
                    DataInfo& info);

/// Throws Error, which names the file and the sample, for a class that is none of `classes`, those of what `whose`
/// says.
void check_classes(const Tensor& targets, const std::string& file, std::int64_t classes, const std::string& whose);

/// Throws Error, which names the file and the sample, for a number that is not finite. `samples` [n, ...] are those of
/// the given numbers, or the first n. `hint` ends the message of a NaN.
void check_finite(const Tensor& samples, const std::string& file, std::span<const std::int64_t> numbers = {},
                  const std::string& hint = {});

}  // namespace backflow::train
