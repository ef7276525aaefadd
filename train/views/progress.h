#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace backflow::train {

/// Tells a person how a run is doing: a bar that is redrawn on a terminal, a line every few seconds elsewhere, nothing
/// of either when it is to be quiet.
class Progress {
 public:
  struct State {
    std::int64_t epoch = 0;  ///< from 1
    std::int64_t epochs = 0;
    std::int64_t step = 0;   ///< steps done, those of an earlier run that this one goes on from included
    std::int64_t steps = 0;  ///< of the whole run
    double loss = 0;
    double samples_per_second = 0;
  };

  enum class Mode { Quiet, Lines, Bar };
  enum class Verbosity { Normal, Quiet };
  /// Bar when standard error is a terminal that can move its cursor, else Lines; Quiet when asked for, and on ranks
  /// other than 0.
  static Mode mode_for(int rank, Verbosity verbosity);

  explicit Progress(Mode mode) : mode_(mode) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Starts the clock: the time that is left follows from this run's own steps, those after `first_step`.
  void start(std::int64_t first_step);
  void update(const State& state);
  /// Writes a whole line to standard output, past the bar, unless it is to be quiet.
  void line(const std::string& text);
  /// The same even if it is to be quiet.
  void result(const std::string& text);
  /// Writes a whole line to standard error, past the bar, even if it is to be quiet.
  void warning(const std::string& text);
  /// Once after standard output could not be written, as when who reads it has gone: says so. Nothing more is written
  /// there. Empty otherwise.
  std::string take_loss_of_output();

  /// Seconds that the other steps will take if all take as long as those after `first_step`.
  static double seconds_left(const State& state, std::int64_t first_step, double elapsed);
  /// "epoch 2/8  step 700/3752  loss 0.4031  10,250 samples/s  ETA 0:42"
  static std::string describe(const State& state, double seconds_left);
  /// The same behind a bar, in fewer than `columns` columns: a terminal may go to the next line after its last. Where
  /// that is too narrow the bar becomes shorter, then it and one part after the other is left out.
  static std::string fitted(const State& state, double seconds_left, std::size_t columns);
  /// A bar of `width` columns and its frame with `fraction` of it filled, as "[####------]".
  static std::string bar(double fraction, std::size_t width);

 private:
  using Clock = std::chrono::steady_clock;

  void draw(const State& state, double seconds_left);
  std::string erasure(std::size_t columns) const;
  void clear();

  Mode mode_;
  std::int64_t first_step_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
  std::size_t drawn_ = 0;  // columns of the bar that is on the screen
  int output_error_ = 0;   // of standard output
  bool loss_was_told_ = false;
};

}  // namespace backflow::train
