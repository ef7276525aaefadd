#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/tests/support/samples.h>

// Calls of operators whose bits are compared for several cuts of their loops: samples, and samples on operands that are
// large enough to be cut.
namespace backflow::test {

enum class Derivatives { First, Second };

/// A call, and up to which derivatives it is differentiated. With a `block`, operands of at least four dimensions are
/// kept in blocks of so many channels.
struct CutCase {
  Sample sample;
  std::int64_t block = 1;
  Derivatives derivatives = Derivatives::Second;

  std::string title() const;
};

/// The same call with larger sizes where it takes them: as many of the operands' sizes as can, each times one number,
/// so that the largest operand has some ten thousand elements. None where it takes no other sizes.
std::vector<CutCase> enlarged(const Sample& sample);

/// The same call on images instead of operands of two or more dimensions that all have the same sizes; row-major, and
/// in blocks of 16 channels, of which 40 are no multiple. None where it takes no images.
std::vector<CutCase> on_images(const Sample& sample);

/// Calls of operators whose samples do not grow, on operands that are as large; or those whose title contains
/// $BACKFLOW_SAMPLE.
std::vector<CutCase> calls_of_fixed_sizes();

/// Operands of a case as leaves.
Tensors operands_of(const CutCase& c, ScalarType dtype);

/// Whatever the call computes: result, gradients, second derivatives, and the result of its in-place form. Throws Error
/// where the operator does not take the operands.
Tensors results_of(const CutCase& c, const Tensors& operands);

}  // namespace backflow::test
