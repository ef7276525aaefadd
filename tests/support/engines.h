#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::test {

/// Serial, a flow graph for every pass, one where it is faster, and plain threads, as many as said.
std::vector<std::unique_ptr<Engine>> engines(int threads = 3);

/// The width of the pool, until the end of the scope.
struct Threads {
  explicit Threads(int n);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  int previous;
};

/// Threads that are joined at the end of the scope.
struct Workers {
  std::vector<std::thread> threads;

  Workers() = default;
  ~Workers() { join(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  void join();
};

/// x through `width` parallel branches, each with `inside` called in its backward: a scalar.
Tensor branches(const Tensor& x, int width, const std::function<void(int)>& inside);

}  // namespace backflow::test
