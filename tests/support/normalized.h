#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <backflow/tests/support/samples.h>

// The reference of normalizations, and what their samples have in common.
namespace backflow::test {

/// Which parameters a normalization is given.
enum class Affine { None, Weight, Bias, Both };

/// Which numbers are normalized together, and which of the parameters each has.
struct NormalizedSets {
  std::function<std::int64_t(const std::vector<std::int64_t>& index)> set;
  std::function<std::int64_t(const std::vector<std::int64_t>& index)> parameter;
};

/// Each channel of x [batch, channels, ...].
NormalizedSets channel_sets();
/// Groups of channels of each sample.
NormalizedSets group_sets(std::int64_t channels, std::int64_t groups);
/// The last dimensions, from `first` on.
NormalizedSets row_sets(const std::vector<std::int64_t>& sizes, std::size_t first);

/// (x - m) / sqrt(v + eps) w + b with the moments that statistics(numbers of a set, set) gives: m and v.
using Statistics = std::function<std::pair<double, double>(const std::vector<double>&, std::int64_t)>;
Array normalized(const Arrays& x, Affine affine, const NormalizedSets& sets, double eps, const Statistics& statistics);

/// The mean and the variance with n; and zero and the mean square.
std::pair<double, double> mean_and_variance(const std::vector<double>& numbers, std::int64_t set);
std::pair<double, double> mean_square(const std::vector<double>& numbers, std::int64_t set);

/// The operands: x and the parameters that there are.
std::vector<Operand> norm_operands(const Operand& x, Affine affine, const std::vector<std::int64_t>& parameter);
/// Of the operands of a call: the weight and the bias, or nothing.
Tensor weight_of(const Tensors& x, Affine affine);
Tensor bias_of(const Tensors& x, Affine affine);
/// The same in Python: "x[1], None".
std::string python(Affine affine);
const char* name(Affine affine);

}  // namespace backflow::test
