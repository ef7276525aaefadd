#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/threads/observed_work.h>

// For tests that bits do not depend on how loops are cut (runtime/threads/cuts.h).
namespace backflow::test {

/// Counts the loops that are cut: those of several tasks.
class LoopCounter final : public WorkObserver {
 public:
  void begin_loop(std::int64_t tasks) override { count_ += tasks > 1 ? 1 : 0; }
  void begin_graph(std::span<const std::vector<std::uint32_t>> /*successors*/) override {}
  void begin_task(std::size_t /*task*/) override {}
  void end_task() override {}
  void end() override {}
  std::int64_t count() const { return count_; }

 private:
  std::int64_t count_ = 0;
};

struct CutComparison {
  std::int64_t cut_loops = 0;  ///< of the runs on one thread
  std::string difference;      ///< "" where all bits are equal, else as "result 2 of 3, float32[5], in 7 pieces"
};

/// Compares the bits of what `compute` returns, with free cuts into 2, 3, 7 and 64 pieces and as 64 threads want them,
/// with those of one piece. It is called on the pool for 3 and 64 pieces, and else on this thread alone.
CutComparison compare_cuts(const std::function<std::vector<Tensor>()>& compute);

}  // namespace backflow::test
