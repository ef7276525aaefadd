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

/// "add_" of "add_(Tensor self, Tensor other) -> Tensor".
constexpr std::string_view function_name(std::string_view signature) {
  return signature.substr(0, signature.find('('));
}

/// The name of a signature's function; overloads share it.
class OperatorName {
 public:
  explicit constexpr OperatorName(const char* signature) {
    for (const char c : function_name(signature)) {
      text_[size_++] = c;
    }
    text_[size_] = '\0';  // a name without room for it does not compile
  }
  constexpr operator const char*() const { return text_; }                // NOLINT(google-explicit-constructor)
  constexpr operator std::string_view() const { return {text_, size_}; }  // NOLINT(google-explicit-constructor)

 private:
  std::size_t size_ = 0;
  char text_[64] = {};
};

/// An operator's declaration: what documentation, tests and tools are made from. It stands in the operator's struct as
/// `static constexpr OperatorInfo info`, with string literals for its texts: ops/generate.py reads it. The struct is
/// listed at the end of its file.
struct OperatorInfo {
  /// In PyTorch's notation, as "add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor". A tensor argument called
  /// `self` makes it a method of Tensor too, without that argument.
  const char* signature;
  const char* formula;            ///< y in terms of the operands, and dx in terms of dy
  const char* doc;                ///< what it does, shapes, dtypes, errors
  DtypeSet dtypes;                ///< of the tensor operands other than indices and masks; others are an Error
  const char* node = nullptr;     ///< the name of its node on the tape; null when it records none of its own
  const char* inplace = nullptr;  ///< the signature of its in-place form, if it has one
  OperatorName name{signature};
};

/// The declaration of a hidden node, in its struct as `static constexpr NodeInfo info`: what other operators record and
/// no public function calls. It is in no list, and nothing is generated from it.
struct NodeInfo {
  constexpr explicit NodeInfo(const char* node_) : name(node_), node(node_) {}
  const char* name;  ///< in errors and traces
  const char* node;  ///< of its node on the tape, as PyTorch calls it
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
