#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include <backflow/runtime/tensor/dtype.h>

namespace backflow {

/// A set of dtypes.
class DtypeSet {
 public:
  constexpr DtypeSet() = default;
  constexpr DtypeSet(std::initializer_list<ScalarType> dtypes) {
    for (const ScalarType dtype : dtypes) {
      bits_ |= bit(dtype);
    }
  }
  constexpr bool contains(ScalarType dtype) const { return (bits_ & bit(dtype)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }

 private:
  static constexpr unsigned bit(ScalarType dtype) { return 1U << static_cast<unsigned>(dtype); }
  unsigned bits_ = 0;
};

inline constexpr DtypeSet kAnyDtype = {kBool, kUInt8, kInt32, kInt64, kBFloat16, kFloat32, kFloat64};
/// All but bool.
inline constexpr DtypeSet kNumericDtypes = {kUInt8, kInt32, kInt64, kBFloat16, kFloat32, kFloat64};
inline constexpr DtypeSet kFloatingDtypes = {kBFloat16, kFloat32, kFloat64};
inline constexpr DtypeSet kSingleAndDouble = {kFloat32, kFloat64};

/// An operator's declaration, from which documentation, tests and tools are made. It is a member of the operator's
/// struct.
struct OperatorInfo {
  const char* name;  ///< the function's name; overloads share it
  /// In PyTorch's notation, as "add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor". A tensor argument called
  /// `self` makes it a method of Tensor too, without that argument.
  const char* signature;
  const char* formula;            ///< y in terms of the operands, and dx in terms of dy
  const char* doc;                ///< what it does, shapes, dtypes, errors
  DtypeSet dtypes;                ///< of the tensor operands other than indices and masks; others are an Error
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
