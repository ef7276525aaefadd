#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <backflow/runtime/cost.h>
#include <backflow/runtime/trace.h>

/// What the engine and the operators tell the tracer. Programs use trace.h.
namespace backflow {

class Node;
class Plan;

namespace trace {

/// One call of an operator; to be made when tracing is on. Records nothing inside of another operator or a node.
class OperatorSlice {
 public:
  explicit OperatorSlice(std::string_view name);
  ~OperatorSlice();
  OperatorSlice(const OperatorSlice&) = delete;
  OperatorSlice& operator=(const OperatorSlice&) = delete;

  bool records() const { return event_.has_value(); }
  void operand(const Tensor& x);
  void operand(TensorList list);
  template <class T>
  void operand(const T&) {}
  void result(const Tensor& y, const Cost& cost);

 private:
  std::optional<Event> event_;
  std::array<const TensorImpl*, Shapes::kMaxTensors> operands_;
};

/// Measures the nodes of one backward pass; records nothing unless tracing is on when it is made.
class PassTimer {
 public:
  explicit PassTimer(const Plan& plan);
  /// To be called once, after all nodes: records the pass, unless it is one inside of another.
  void finish(const Plan& plan);

 private:
  friend class NodeSlice;

  std::vector<float> nanoseconds_;  // by node
  std::int64_t start_ = 0;
  bool nested_ = false;
};

/// One node of a backward pass.
class NodeSlice {
 public:
  NodeSlice(PassTimer& timer, const Node& node, std::uint32_t position, std::span<const Tensor> dy) {
    if (!timer.nanoseconds_.empty()) [[unlikely]] {
      begin(timer, node, position, dy);
    }
  }
  ~NodeSlice() {
    if (event_) [[unlikely]] {
      end();
    }
  }
  NodeSlice(const NodeSlice&) = delete;
  NodeSlice& operator=(const NodeSlice&) = delete;

  void results(std::span<const Tensor> dx) {
    if (event_) [[unlikely]] {
      add(dx);
    }
  }

 private:
  void begin(PassTimer& timer, const Node& node, std::uint32_t position, std::span<const Tensor> dy);
  void add(std::span<const Tensor> dx);
  void end();

  std::optional<Event> event_;
  PassTimer* timer_;
};

}  // namespace trace
}  // namespace backflow
