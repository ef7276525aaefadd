#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/train/cores/machine.h>
#include <backflow/train/cores/prediction.h>
#include <backflow/train/cores/recording.h>

namespace backflow::train {

struct ScalingOptions {
  std::vector<int> threads = {1, 2, 4, 8, 16, 32, 64, 128};
  int repetitions = 9;
  double seconds = 2;  ///< of repetitions, for each number of threads
};

/// One operator or node on tensors of certain shapes, on P cores.
struct ScalingRow {
  WorkLabel label;
  double work_on_one = 0;  ///< ns, cut for one core
  double work = 0;         ///< ns, cut for P cores
  std::int64_t loops = 0;  ///< and graphs
  std::int64_t tasks = 0;  ///< of these
  double pieces = 0;       ///< ns by which small pieces are slower than large ones
  LostTime lost;
  double lost_sum() const { return lost.sum() + pieces; }
};

/// A step on P cores.
struct ScalingPoint {
  int threads = 1;
  double nanoseconds = 0;
  double speedup = 0;
  double pieces = 0;  ///< ns of all cores together
  LostTime lost;
  std::vector<ScalingRow> rows;  ///< the one that loses most first
};

/// How fast a step is on more and more cores.
struct Scaling {
  Machine machine;
  double nanoseconds_on_one = 0;
  std::vector<ScalingPoint> points;
  std::vector<std::string> warnings;
  int repetitions = 0;  ///< the fewest that any figure is from
};

/// Records the step once for each number of threads and predicts its time. `step` must do the same work every time. It
/// runs on this thread alone.
Scaling predict_scaling(const std::function<void()>& step, const ScalingOptions& options, const Machine& machine);

/// For people: times and speed-ups, and where they are lost.
std::string scaling_table(const Scaling& scaling);
/// What limits the step on so many threads, which must be one of the points: the rows that lose most.
std::string limits_table(const ScalingPoint& point, std::size_t rows = 10);
/// The same for programs, as an object in one line.
std::string scaling_json(const Scaling& scaling, std::size_t rows = 10);

}  // namespace backflow::train
