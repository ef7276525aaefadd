#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <backflow/tests/support/arrays.h>

// The sample table: what every operator is tested with. A new operator needs one row here, in the file of its family;
// the tests of tests/ops do the rest.
namespace backflow::test {

using Tensors = std::vector<Tensor>;
using Arrays = std::vector<Array>;

/// What the elements of an operand are: numbers of the dtype that the sample runs in; or int64 numbers in [low, high),
/// or truth values, whatever it runs in and without a gradient.
enum class Of { Number, Integer, Mask };

/// One tensor operand of a sample.
struct Operand {
  std::vector<std::int64_t> sizes;
  double low = -2;
  double high = 2;
  Layout layout = Layout::Contiguous;
  Of of = Of::Number;
  int same_as = -1;  ///< the operand with this number, that very tensor
};

/// One call of an operator.
struct Sample {
  std::string op;     ///< the operator's name in the registry
  std::string label;  ///< what is special about the operands
  std::vector<Operand> operands;
  std::function<Tensor(const Tensors&)> call;        ///< through the public function
  std::function<Array(const Arrays&)> reference;     ///< the same in plain loops over float64
  std::function<void(const Tensors&)> inplace = {};  ///< the in-place form, on the first operand, if there is one
  bool differentiable = true;                        ///< false: no gradient is recorded
  double tolerance = 1;                              ///< factor on the tolerances of float32
  std::string torch = {};  ///< the same in Python, of the list `x` of the operands, as "torch.add(x[0], x[1])"

  std::string title() const { return op + "/" + label; }
};

using Samples = std::vector<Sample>;

Samples elementwise_samples();
Samples two_operand_samples();
Samples three_operand_samples();
Samples unary_samples();
Samples activation_samples();
Samples views_samples();
Samples indexing_samples();
Samples copies_samples();
Samples strided_samples();
Samples reduction_samples();
Samples linear_algebra_samples();
Samples loss_samples();
Samples joining_samples();
Samples extremes_samples();
Samples statistics_samples();
Samples softmax_samples();
Samples scans_samples();
Samples products_samples();
Samples batched_products_samples();
Samples einsum_samples();
Samples creation_samples();
Samples random_samples();
Samples gathering_samples();
Samples scattering_samples();
Samples masking_samples();
Samples arranging_samples();
Samples padding_samples();
Samples pooling_samples();
Samples splitting_samples();
Samples advanced_indexing_samples();
Samples convolution_samples();
Samples batch_norm_samples();
Samples layer_norm_samples();
Samples gated_activation_samples();
Samples dropout_samples();
Samples embedding_samples();
Samples embedding_bag_samples();
Samples unpooling_samples();
Samples resampling_samples();
Samples shuffling_samples();

/// All of them, or those whose title contains $BACKFLOW_SAMPLE.
const Samples& samples();

/// The values of the operands, by number; those that are `same_as` another are equal to it.
Arrays operand_values(const Sample& sample);
/// The same as `dtype` holds them: whole numbers for integers, 0 and 1 for bool, few digits for the floating ones.
Arrays values_in(const Sample& sample, ScalarType dtype);
/// The operands, with these values, as leaves of `dtype` that require a gradient where there can be one.
Tensors operands_of(const Sample& sample, const Arrays& values, ScalarType dtype);
/// The operands that are different tensors and have a gradient.
std::vector<std::size_t> differentiable_operands(const Sample& sample);

/// In Python's notation, for `Sample::torch`: a list as "[3, 4]", a number or "None".
std::string python(const std::vector<std::int64_t>& list);
std::string python(std::optional<std::int64_t> number);
inline std::string python(bool value) { return value ? "True" : "False"; }

/// The line that reproduces a failure of `sample` in the test case of this name.
std::string reproduce(const Sample& sample, const std::string& test_case);

}  // namespace backflow::test
