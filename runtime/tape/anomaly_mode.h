#pragma once

#include <atomic>

namespace backflow {

/// Whether backward looks for NaNs and nodes remember where their forward ran; process-wide, see anomaly.h.
class AnomalyMode {
 public:
  static bool is_enabled() { return enabled_.load(std::memory_order_relaxed); }
  static bool should_check_nan() { return check_nan_.load(std::memory_order_relaxed); }
  static void set_enabled(bool enabled, bool check_nan = true) {
    enabled_.store(enabled, std::memory_order_relaxed);
    check_nan_.store(check_nan, std::memory_order_relaxed);
  }

 private:
  inline static std::atomic<bool> enabled_{false};
  inline static std::atomic<bool> check_nan_{true};
};

}  // namespace backflow
