#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <backflow/tests/support/samples.h>

// Sweeps over the registry: tests of every operator's samples with operands at the limits of their dtypes.
namespace backflow::test {

/// Why an operator is left out of a sweep, by its name.
using Reasons = std::map<std::string, std::string>;

/// The samples that a sweep walks: at most `most` of each operator, spread evenly over its own, and none of those that
/// `reasons` names.
std::vector<const Sample*> swept_samples(std::size_t most, const Reasons& reasons);

/// Checks that every operator of the registry is among `swept` or has a reason, and that every reason is of an
/// operator.
void check_complete(const std::set<std::string>& swept, const Reasons& reasons);

/// The dtypes that a sweep tries.
inline constexpr ScalarType kSweptDtypes[] = {kFloat64, kFloat32, kBFloat16};

/// The same call with row-major operands where `s` has expanded ones, whose elements are not their own.
Sample with_own_elements(Sample s);

/// `values` with element e of operand i, and of those that are the same tensor, set to v.
Arrays with_element(const Sample& s, Arrays values, std::size_t i, std::size_t e, double v);

/// Some places of n elements: the first, the last, and between them.
std::vector<std::size_t> places(std::size_t n, std::size_t most);

/// The operands whose elements are numbers, each once.
std::vector<std::size_t> number_operands(const Sample& s);

/// The sample's result, or an undefined tensor when it throws Error, as for dtypes that it does not take.
Tensor result_of(const Sample& s, const Tensors& operands);

/// The gradients of a result y for dy; undefined ones become zeros.
Arrays gradients_of(const Sample& s, const Tensors& operands, const Tensor& y, const Array& dy);

}  // namespace backflow::test
