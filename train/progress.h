#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace backflow::train {

/// Tells a person how a run is doing: a bar that is redrawn on a terminal, a line every few seconds elsewhere, nothing
/// on ranks that stay quiet.
class Progress {
 public:
  struct State {
    std::int64_t epoch = 0;  ///< from 1
    std::int64_t epochs = 0;
    std::int64_t step = 0;   ///< steps done in this run
    std::int64_t steps = 0;  ///< of the whole run
    double loss = 0;
    double samples_per_second = 0;
  };

  enum class Mode { Quiet, Lines, Bar };
  /// Bar when standard error is a terminal, else Lines; Quiet on ranks other than 0.
  static Mode mode_for(int rank);

  explicit Progress(Mode mode) : mode_(mode) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(const State& state);
  /// Writes a whole line, past the bar.
  void line(const std::string& text);

  /// "epoch 2/8  step 700/3752  loss 0.4031  10,250 samples/s  ETA 0:42"
  static std::string describe(const State& state, double seconds_left);
  /// A bar of `width` columns with `fraction` of it filled, as "[####------]".
  static std::string bar(double fraction, int width);

 private:
  using Clock = std::chrono::steady_clock;

  void clear();

  Mode mode_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
  bool bar_is_drawn_ = false;
};

}  // namespace backflow::train
