#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

#include <backflow/runtime/base/error.h>

namespace backflow {

enum class DeviceType : std::int8_t { CPU = 0, CUDA = 1 };

inline constexpr DeviceType kCPU = DeviceType::CPU;
/// For libtorch programs that choose a device by cuda::is_available(), which is false here.
inline constexpr DeviceType kCUDA = DeviceType::CUDA;

/// Where a tensor's elements are, as libtorch's: always the CPU. Any other device is an Error.
class Device {
 public:
  Device() = default;
  Device(DeviceType type, std::int8_t index = -1) : index_(index) {  // NOLINT(google-explicit-constructor)
    check(type == kCPU && index <= 0, "Device: ", type == kCPU ? "cpu" : "cuda", " number ", int{index},
          ": need the CPU, number 0: Backflow has no other device");
  }
  /// Of "cpu" or "cpu:0".
  Device(const std::string& name)  // NOLINT(google-explicit-constructor)
      : index_(name == "cpu:0" ? std::int8_t{0} : std::int8_t{-1}) {
    check(name == "cpu" || name == "cpu:0", "Device: '", name, "': need cpu: Backflow has no other device");
  }
  Device(const char* name) : Device(std::string(name)) {}  // NOLINT(google-explicit-constructor)

  DeviceType type() const { return kCPU; }
  /// -1 unless it was given one.
  std::int8_t index() const { return index_; }
  bool has_index() const { return index_ >= 0; }
  bool is_cpu() const { return true; }
  bool is_cuda() const { return false; }
  std::string str() const { return has_index() ? "cpu:0" : "cpu"; }

  friend bool operator==(const Device&, const Device&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Device& device) { return out << device.str(); }

 private:
  std::int8_t index_ = -1;
};

/// For libtorch programs that ask before they choose a device.
namespace cuda {
inline bool is_available() { return false; }
inline std::size_t device_count() { return 0; }
}  // namespace cuda

}  // namespace backflow
