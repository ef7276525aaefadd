// All element-wise functions, a header a group. Each header has two parts: the functions, with their forms for integers
// and truth values, and their forms for vectors of float and double, which vector_forms.h reads once for each
// instruction set. A new function has its struct, its vector form and its entry in the list in its group's header.
#include <backflow/ops/kernels/elementwise/functions/activations.h>
#include <backflow/ops/kernels/elementwise/functions/algebra.h>
#include <backflow/ops/kernels/elementwise/functions/arithmetic.h>
#include <backflow/ops/kernels/elementwise/functions/bits.h>
#include <backflow/ops/kernels/elementwise/functions/coordinates.h>
#include <backflow/ops/kernels/elementwise/functions/division.h>
#include <backflow/ops/kernels/elementwise/functions/error_function.h>
#include <backflow/ops/kernels/elementwise/functions/exponentials.h>
#include <backflow/ops/kernels/elementwise/functions/gates.h>
#include <backflow/ops/kernels/elementwise/functions/hard_activations.h>
#include <backflow/ops/kernels/elementwise/functions/hyperbolic.h>
#include <backflow/ops/kernels/elementwise/functions/powers.h>
#include <backflow/ops/kernels/elementwise/functions/relations.h>
#include <backflow/ops/kernels/elementwise/functions/rounding.h>
#include <backflow/ops/kernels/elementwise/functions/selection.h>
#include <backflow/ops/kernels/elementwise/functions/trigonometry.h>

#ifndef BACKFLOW_FUNCTIONS
#define BACKFLOW_FUNCTIONS

namespace backflow::kernels::functions {

// Types of their own: the names of what is made of them stay short.
struct UnaryFunctions : Join<UnaryActivations, UnaryAlgebra, UnaryErrorFunction, UnaryExponentials,
                             UnaryHardActivations, UnaryHyperbolic, UnaryRounding, UnarySelection, UnaryTrigonometry> {
};
struct BinaryFunctions : Join<BinaryActivations, BinaryArithmetic, BinaryBits, BinaryCoordinates, BinaryDivision,
                              BinaryGates, BinaryHardActivations, BinaryHyperbolic, BinaryPowers, BinaryRelations,
                              BinarySelection, BinaryTrigonometry> {};
struct TernaryFunctions : Join<TernaryArithmetic, TernaryCoordinates, TernaryGates, TernaryPowers> {};

}  // namespace backflow::kernels::functions
#endif
