#pragma once

/// An option of a class of options, as libtorch's TORCH_ARG: `name(value)` sets it and returns the options, `name()`
/// reads it. A default may follow, as in BACKFLOW_ARG(double, p) = 0.5.
#define BACKFLOW_ARG(Type, name)                                              \
 public:                                                                      \
  auto name(const Type& value)->decltype(*this) { /* NOLINT: as libtorch's */ \
    name##_ = value;                                                          \
    return *this;                                                             \
  }                                                                           \
  const Type& name() const { return name##_; }                                \
                                                                              \
 private:                                                                     \
  Type name##_ /* NOLINT */
