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
  std::vector<int> threads = {2, 4, 8, 16, 32, 64, 128};  ///< beside 1
  int repetitions = 41;
  double seconds = 15;  ///< that the repetitions take, about
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
  int repetitions = 0;  ///< that any figure is from, at least
};

/// Records the step for each number of threads and predicts its time. `step` must do the same work every time. It
/// runs on this thread alone.
Scaling predict_scaling(const std::function<void()>& step, const ScalingOptions& options, const Machine& machine);

/// How many cores the step feeds: the largest number of threads among the points whose cores are useful for at least
/// half of the time, which is a speed-up of half their number.
int fed_cores(const Scaling& scaling);

/// For people: the machine, times and speed-ups with what is lost, and how many cores that feeds.
std::string scaling_table(const Scaling& scaling);
/// What limits the step on so many threads: the rows that lose most.
std::string limits_table(const ScalingPoint& point, std::size_t rows = 10);
/// Both, with limits on 16 and 64 threads where these are among the points, and warnings.
std::string scaling_report(const Scaling& scaling);
/// The same for programs, as an object in one line.
std::string scaling_json(const Scaling& scaling, std::size_t rows = 10);

}  // namespace backflow::train
