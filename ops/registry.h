#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace backflow {

/// An operator's declaration: what documentation, tests and tools are made from. It stands in the operator's struct.
struct OperatorInfo {
  const char* name;  ///< the function's name; overloads share it
  /// In PyTorch's notation, as "add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor". A first argument called
  /// `self` makes it a method of Tensor too.
  const char* signature;
  const char* formula;            ///< y in terms of the operands, and dx in terms of dy
  const char* doc;                ///< what it does, shapes, dtypes, errors
  const char* node = nullptr;     ///< the name of its node on the tape; null when it records none of its own
  const char* inplace = nullptr;  ///< the signature of its in-place form, if it has one
};

/// The operators of one file.
struct OperatorFamily {
  const char* name;
  std::vector<OperatorInfo> operators;
};

/// All families, in the order of their files' names.
const std::vector<OperatorFamily>& operator_registry();

/// The declarations of the operators `Ops`, as a family's file lists them at its end.
template <class... Ops>
OperatorFamily family(const char* name) {
  return {name, {Ops::info...}};
}

}  // namespace backflow
