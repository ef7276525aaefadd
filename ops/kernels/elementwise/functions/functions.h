// All element-wise functions, a header a group. Each header has two parts: the functions, with their forms for integers
// and truth values, and their forms for vectors of float and double, which vector_forms.h reads once for each
// instruction set. A new function has its struct, its vector form and its entry in the list in its group's header.
#include <backflow/ops/kernels/elementwise/functions/activations.h>
#include <backflow/ops/kernels/elementwise/functions/arithmetic.h>
#include <backflow/ops/kernels/elementwise/functions/exponentials.h>
#include <backflow/ops/kernels/elementwise/functions/hard_activations.h>
#include <backflow/ops/kernels/elementwise/functions/hyperbolic.h>
#include <backflow/ops/kernels/elementwise/functions/selection.h>
#include <backflow/ops/kernels/elementwise/functions/trigonometry.h>

#ifndef BACKFLOW_FUNCTIONS
#define BACKFLOW_FUNCTIONS

namespace backflow::kernels::functions {

// Types of their own: the names of what is made of them stay short.
struct UnaryFunctions : Join<UnaryActivations, UnaryArithmetic, UnaryExponentials, UnaryHardActivations,
                             UnaryHyperbolic, UnarySelection, UnaryTrigonometry> {};
struct BinaryFunctions : Join<BinaryActivations, BinaryArithmetic, BinaryExponentials, BinaryHardActivations,
                              BinaryHyperbolic, BinarySelection, BinaryTrigonometry> {};
struct TernaryFunctions
    : Join<TernaryActivations, TernaryArithmetic, TernaryExponentials, TernaryHardActivations, TernaryTrigonometry> {};

}  // namespace backflow::kernels::functions
#endif
