#pragma once

#include <optional>

#include <backflow/ops/functions.h>
#include <backflow/runtime/tensor/generator.h>

namespace backflow {

/// Fills a tensor, of any strides, with uniform numbers in [from, to), or with `from` when they are equal; returns it.
/// Throws Error for integer dtypes, for from > to, and for a leaf that requires a gradient while recording is on. Also
/// when from, to or to - from is not finite in the dtype.
const Tensor& uniform_(const Tensor& self, double from = 0, double to = 1,
                       std::optional<Generator> generator = std::nullopt);

/// Fills a tensor, of any strides, with normal numbers of this mean and standard deviation; returns it. Errors as for
/// `uniform_`, and for a negative `std`.
const Tensor& normal_(const Tensor& self, double mean = 0, double std = 1,
                      std::optional<Generator> generator = std::nullopt);

}  // namespace backflow
