#include <backflow/train/run/planted_fault.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::train {
namespace {

constexpr const char* kVariable = "BACKFLOW_PLANTED_FAULT";

std::atomic<bool> backward_fails{false};  ///< in this step, which is the last then

[[noreturn]] void fail_as_planted() { fail(kVariable, ": this rank fails"); }

}  // namespace

PlantedFault PlantedFault::of(int rank) {
  PlantedFault fault;
  const char* const text = std::getenv(kVariable);
  if (text == nullptr) {
    return fault;
  }
  static const std::map<std::string, Kind> kinds = {
      {"throw", Kind::Throw}, {"throw_in_backward", Kind::ThrowInBackward}, {"change", Kind::Change}};
  std::istringstream in(text);
  std::string kind;
  int of_rank = -1;
  char colon = 0;
  std::getline(in, kind, ':');
  in >> of_rank >> colon >> fault.step_;
  check(!in.fail() && colon == ':' && kinds.contains(kind), kVariable, "=", text,
        ": need throw, throw_in_backward or change, as throw:1:7 for rank 1 in step 7");
  fault.kind_ = of_rank == rank ? kinds.at(kind) : Kind::None;
  return fault;
}

void PlantedFault::before_step(std::int64_t step) const {
  if (is(Kind::Throw, step)) {
    fail_as_planted();
  }
  if (is(Kind::ThrowInBackward, step)) {
    backward_fails = true;
  }
}

void PlantedFault::after_forward(const Tensor& scores) {
  if (backward_fails) {
    scores.register_hook([](const Tensor&) -> Tensor { fail_as_planted(); });
  }
}

void PlantedFault::after_step(std::int64_t step, const nn::Module& model) const {
  if (is(Kind::Change, step)) {
    const NoGradGuard no_grad;
    Tensor first = model.parameters().front();
    first.add_(1);
  }
}

}  // namespace backflow::train
