#pragma once

#include <type_traits>

#include <backflow/runtime/tensor/device.h>
#include <backflow/runtime/tensor/dtype.h>

namespace backflow {

/// How a new tensor is made: its dtype (float32 unless said), whether it requires a gradient, and its device, which is
/// the CPU. A dtype and a device convert to options, so `zeros({2, 3}, kFloat64)` reads as in libtorch.
class TensorOptions {
 public:
  TensorOptions() = default;
  TensorOptions(ScalarType dtype) : dtype_(dtype), has_dtype_(true) {}  // NOLINT(google-explicit-constructor)
  template <class T>
  requires std::is_constructible_v<Device, T> TensorOptions(const T& device)  // NOLINT(google-explicit-constructor)
      : device_(device) {}

  [[nodiscard]] TensorOptions dtype(ScalarType dtype) const {
    TensorOptions out = *this;
    out.dtype_ = dtype;
    out.has_dtype_ = true;
    return out;
  }
  [[nodiscard]] TensorOptions device(Device device) const {
    TensorOptions out = *this;
    out.device_ = device;
    return out;
  }
  [[nodiscard]] TensorOptions requires_grad(bool requires_grad) const {
    TensorOptions out = *this;
    out.requires_grad_ = requires_grad;
    return out;
  }

  ScalarType dtype() const { return dtype_; }
  bool has_dtype() const { return has_dtype_; }
  Device device() const { return device_; }
  bool requires_grad() const { return requires_grad_; }
  /// The dtype of these options, or `other` when they name none.
  ScalarType dtype_or(ScalarType other) const { return has_dtype_ ? dtype_ : other; }

 private:
  Device device_;
  ScalarType dtype_ = kFloat32;
  bool has_dtype_ = false;
  bool requires_grad_ = false;
};

inline TensorOptions dtype(ScalarType dtype) { return TensorOptions().dtype(dtype); }
inline TensorOptions device(Device device) { return TensorOptions().device(device); }
inline TensorOptions requires_grad(bool requires_grad = true) { return TensorOptions().requires_grad(requires_grad); }

}  // namespace backflow
