#pragma once

#include <cstdint>

#include <backflow/nn/module.h>

namespace backflow::train {

/// A fault of one rank that a test asks for: BACKFLOW_PLANTED_FAULT=KIND:RANK:STEP in the environment, where KIND is
///   throw              an exception before the step computes anything
///   throw_in_backward  an exception in the step's backward, while gradients are being sent
///   change             another value of the first parameter after the step
class PlantedFault {
 public:
  /// The one of this rank, if any. Throws Error for what cannot be read.
  static PlantedFault of(int rank);

  /// Throws Error, or sees to it that the step's backward does.
  void before_step(std::int64_t step) const;
  /// To be called with what each forward of the step gives. Thread-safe.
  static void after_forward(const Tensor& scores);
  void after_step(std::int64_t step, const nn::Module& model) const;

 private:
  enum class Kind { None, Throw, ThrowInBackward, Change };
  bool is(Kind kind, std::int64_t step) const { return kind == kind_ && step == step_; }

  Kind kind_ = Kind::None;
  std::int64_t step_ = 0;
};

}  // namespace backflow::train
