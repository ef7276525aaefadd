#pragma once

#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <backflow/runtime/tape/anomaly_mode.h>
#include <backflow/runtime/tape/node.h>

namespace backflow {

/// Switches anomaly mode on, process-wide, until the end of the scope. Every recorded operation remembers where it was
/// called, and errors of its backward name that place. With `check_nan` a NaN in a computed gradient is an error. Slow:
/// for finding mistakes. As libtorch's.
class DetectAnomalyGuard {
 public:
  explicit DetectAnomalyGuard(bool check_nan = true);
  ~DetectAnomalyGuard();
  DetectAnomalyGuard(const DetectAnomalyGuard&) = delete;
  DetectAnomalyGuard& operator=(const DetectAnomalyGuard&) = delete;

 private:
  bool was_enabled_;
  bool did_check_nan_;
};

/// Where a node was recorded.
struct AnomalyRecord {
  /// Of this place, on this thread.
  static std::shared_ptr<const AnomalyRecord> make();

  std::vector<void*> frames;                    ///< return addresses, the innermost first
  std::string parent_name;                      ///< the node in whose backward it was recorded, if any
  std::shared_ptr<const AnomalyRecord> parent;  ///< and where that one was
};

/// Prints where the node's forward was called. For a node that another node's backward recorded, also where that one's
/// forward was called, and so on. Prints nothing for a node recorded outside of anomaly mode. Code compiled with debug
/// information is shown with lines.
class Origin {
 public:
  explicit Origin(const Node& node) : node_(node) {}
  friend std::ostream& operator<<(std::ostream& out, const Origin& origin);

 private:
  const Node& node_;
};

/// Throws Error for a NaN in gradients that a node has computed, if anomaly mode checks for them.
void check_gradients(std::span<const Tensor> dx);

namespace autograd {

using backflow::AnomalyMode;
using backflow::DetectAnomalyGuard;

}  // namespace autograd
}  // namespace backflow
