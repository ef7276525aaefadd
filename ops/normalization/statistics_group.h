#pragma once

#include <memory>
#include <span>
#include <utility>

namespace backflow {

/// Processes that each have a part of a batch and normalize it together. Batch normalization in training then takes
/// mean and variance over the parts of all of them.
class StatisticsGroup {
 public:
  StatisticsGroup() = default;
  StatisticsGroup(const StatisticsGroup&) = delete;
  StatisticsGroup& operator=(const StatisticsGroup&) = delete;
  virtual ~StatisticsGroup() = default;

  /// Replaces each number by its sum over the members, with the same bits in all of them. Collective: the members make
  /// the same calls in the same order, which is that of the tape.
  virtual void sum(std::span<double> numbers) = 0;
};

/// While it lives, the batch normalizations in training that this thread calls belong to the group; a null group is
/// this process alone.
class StatisticsGroupGuard {
 public:
  explicit StatisticsGroupGuard(std::shared_ptr<StatisticsGroup> group)
      : previous_(std::exchange(current_, std::move(group))) {}
  ~StatisticsGroupGuard() { current_ = std::move(previous_); }
  StatisticsGroupGuard(const StatisticsGroupGuard&) = delete;
  StatisticsGroupGuard& operator=(const StatisticsGroupGuard&) = delete;

  static const std::shared_ptr<StatisticsGroup>& current() { return current_; }

 private:
  std::shared_ptr<StatisticsGroup> previous_;

  inline static thread_local std::shared_ptr<StatisticsGroup> current_;
};

}  // namespace backflow
