#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <backflow/runtime/engine/indices.h>
#include <backflow/runtime/tensor/cost.h>
#include <backflow/runtime/trace/trace.h>

/// What the engine and the operators tell the tracer. Programs use trace.h.
namespace backflow {

class Node;

namespace trace {

class TracedPass;

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

/// One node of a backward pass; records nothing without a pass that is traced.
class NodeSlice {
 public:
  NodeSlice(const TracedPass* pass, const Node& node, NodeIndex position, std::span<const Tensor> dy) {
    if (pass != nullptr) [[unlikely]] {
      begin(*pass, node, position, dy);
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
  void begin(const TracedPass& pass, const Node& node, NodeIndex position, std::span<const Tensor> dy);
  void add(std::span<const Tensor> dx);
  void end();

  std::optional<Event> event_;
};

}  // namespace trace
}  // namespace backflow
