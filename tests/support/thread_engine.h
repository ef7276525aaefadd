#pragma once

#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/execution.h>

namespace backflow::test {

/// Runs ready nodes on `threads` threads of its own, without oneTBB: a ready list, a mutex, a condition variable. Every
/// synchronisation in it is one that ThreadSanitizer understands, so what that reports is a race in Execution or below.
class ThreadEngine final : public Engine {
 public:
  explicit ThreadEngine(int threads) : threads_(threads) {}

  const char* name() const override { return "thread"; }
  void execute(Execution& pass) override;

 private:
  int threads_;
};

}  // namespace backflow::test
