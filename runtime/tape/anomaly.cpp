#include <backflow/runtime/tape/anomaly.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <string_view>

#include <execinfo.h>

#define BACKWARD_HAS_DW 1
#include <backward.hpp>

#include <backflow/runtime/tensor/gradient_ops.h>
#include <backflow/runtime/threads/thread_state.h>

namespace backflow {
namespace {

constexpr int kMaxFrames = 48;

/// True for the functions between an operator's and the making of its node.
bool is_recording(std::string_view function) {
  constexpr std::array kInner = {"backflow::AnomalyRecord",
                                 "backflow::Node::",
                                 "backflow::OpNode",
                                 "backflow::record",
                                 "backflow::Tensor backflow::record",
                                 "backflow::autograd::Function"};
  return std::any_of(kInner.begin(), kInner.end(), [&](std::string_view name) { return function.starts_with(name); });
}

void print_frames(std::ostream& out, const std::vector<void*>& frames) {
  backward::TraceResolver resolver;
  resolver.load_addresses(frames.data(), static_cast<int>(frames.size()));
  bool inner = true;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const backward::ResolvedTrace frame = resolver.resolve(backward::ResolvedTrace(backward::Trace(frames[i], i)));
    const std::string& function = frame.source.function.empty() ? frame.object_function : frame.source.function;
    inner = inner && (function.empty() || is_recording(function) || is_recording(frame.object_function));
    if (inner || function.empty()) {
      continue;
    }
    out << "\n    " << function;
    if (!frame.source.filename.empty()) {
      out << " (" << frame.source.filename << ':' << frame.source.line << ')';
    }
    if (function == "main") {
      break;
    }
  }
}

}  // namespace

DetectAnomalyGuard::DetectAnomalyGuard(bool check_nan)
    : was_enabled_(AnomalyMode::is_enabled()), did_check_nan_(AnomalyMode::should_check_nan()) {
  AnomalyMode::set_enabled(true, check_nan);
}

DetectAnomalyGuard::~DetectAnomalyGuard() { AnomalyMode::set_enabled(was_enabled_, did_check_nan_); }

std::shared_ptr<const AnomalyRecord> AnomalyRecord::make() {
  auto record = std::make_shared<AnomalyRecord>();
  record->frames.resize(kMaxFrames);
  record->frames.resize(static_cast<std::size_t>(backtrace(record->frames.data(), kMaxFrames)));
  if (const Node* parent = thread_state().node) {
    record->parent_name = parent->name();
    record->parent = parent->origin();
  }
  return record;
}

std::ostream& operator<<(std::ostream& out, const Origin& origin) {
  std::string name = origin.node_.name();
  std::string relation = "\n  the forward of ";
  for (const AnomalyRecord* record = origin.node_.origin().get(); record != nullptr; record = record->parent.get()) {
    out << relation << name << " ran at";
    print_frames(out, record->frames);
    relation = "\n  which was recorded by the backward of " + record->parent_name + "; the forward of ";
    name = record->parent_name;
  }
  return out;
}

void check_gradients(std::span<const Tensor> dx) {
  if (!AnomalyMode::should_check_nan()) {
    return;
  }
  for (std::size_t i = 0; i < dx.size(); ++i) {
    check(!dx[i].defined() || !gradient_ops().has_nan_(dx[i]), "the gradient of operand ", i, " (", describe(dx[i]),
          ") has NaNs: need a forward whose gradient exists at these values");
  }
}

void Node::note_origin() { origin_ = AnomalyRecord::make(); }

}  // namespace backflow
