#include <backflow/train/cores/prediction.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include <backflow/runtime/base/error.h>
#include <backflow/train/cores/open_group.h>

namespace backflow::train {
namespace {

/// A task that a core is in the middle of.
struct Frame {
  const WorkTask* task = nullptr;
  std::size_t number = 0;  ///< in its group
  int group = kNoGroup;    ///< that it is of
  std::size_t next_part = 0;
  int waits_for = kNoGroup;  ///< the group that it started and that has not ended
};

struct Core {
  enum class State { Waiting, Ready, Computing, Overhead };

  std::vector<Frame> frames;
  State state = State::Waiting;
  double left = 0;  ///< ns of what it does
  double bytes_per_ns = 0;
  double speed = 1;
  std::uint32_t label = 0;
  int heading = kNoGroup;  ///< the group that it comes to help with

  void compute(const WorkPart& part) {
    state = State::Computing;
    left = part.nanoseconds;
    bytes_per_ns = part.bytes_per_ns;
    label = part.label;
  }

  void delay(double time, std::uint32_t of) {
    state = State::Overhead;
    left = time;
    bytes_per_ns = 0;
    label = of;
  }

  /// The group that it waits for, or kNoGroup.
  int waits_for() const { return frames.empty() ? kNoGroup : frames.back().waits_for; }
};

class Simulation {
 public:
  Simulation(const WorkTree& tree, int threads, const Machine& machine)
      : machine_(machine), bandwidth_(machine.total_bandwidth(threads)), cores_(static_cast<std::size_t>(threads)) {
    result_.threads = threads;
    result_.lost_of.resize(tree.labels.size());
    cores_[0].frames.push_back({&tree.root});
  }

  Prediction run() {
    go_on(0);
    while (!cores_[0].frames.empty()) {
      active_.clear();
      for (std::size_t i = 0; i < cores_.size(); ++i) {
        if (cores_[i].state != State::Waiting) {
          active_.push_back(i);
        }
      }
      share_bandwidth();
      advance();
    }
    for (const LostTime& lost : result_.lost_of) {
      result_.lost += lost;
    }
    return std::move(result_);
  }

 private:
  using State = Core::State;

  OpenGroup& open(int i) { return groups_[static_cast<std::size_t>(i)]; }

  /// Gives every stretch its speed. Those that want more of the memory than a certain share get that share.
  void share_bandwidth() {
    double wanted = 0;
    for (const std::size_t i : active_) {
      cores_[i].speed = 1;
      wanted += cores_[i].bytes_per_ns;
    }
    if (wanted <= bandwidth_) {
      return;
    }
    double share = 0;
    for (double last = -1; share > last * (1 + 1e-9);) {
      last = share;
      double left = bandwidth_;
      double above = 0;
      for (const std::size_t i : active_) {
        const bool content = cores_[i].bytes_per_ns <= share;
        left -= content ? cores_[i].bytes_per_ns : 0;
        above += content ? 0 : 1;
      }
      share = above > 0 ? std::max(share, left / above) : share;
    }
    for (const std::size_t i : active_) {
      if (cores_[i].bytes_per_ns > share) {
        cores_[i].speed = share / cores_[i].bytes_per_ns;
      }
    }
  }

  /// To the time when the next stretch ends.
  void advance() {
    double step = std::numeric_limits<double>::infinity();
    for (const std::size_t i : active_) {
      step = std::min(step, cores_[i].left / cores_[i].speed);
    }
    account(step);
    for (const std::size_t i : active_) {
      Core& core = cores_[i];
      core.left -= step * core.speed;
      if (core.left <= 1e-6) {
        core.state = State::Ready;
        ready_.push_back(i);
      }
    }
    for (std::size_t next = 0; next < ready_.size();) {  // those that are released on the way are added
      const std::size_t i = ready_[next++];
      if (cores_[i].state == State::Ready) {
        go_on(i);
      }
    }
    ready_.clear();
  }

  void account(double step) {
    result_.nanoseconds += step;
    const auto active = static_cast<double>(active_.size());
    const double idle = (static_cast<double>(cores_.size()) - active) * step / active;
    const bool serial = active_.size() == 1 && cores_[active_[0]].frames.size() == 1;
    for (const std::size_t i : active_) {
      const Core& core = cores_[i];
      LostTime& lost = result_.lost_of[core.label];
      if (core.state == State::Overhead) {
        lost.overhead += step + idle;
      } else {
        lost.bandwidth += step * (1 - core.speed);
        (serial ? lost.serial : lost.idle) += idle;
      }
    }
  }

  /// Finds out what a core does next that has ended what it did.
  void go_on(std::size_t i) {
    Core& core = cores_[i];
    const int heading = std::exchange(core.heading, kNoGroup);
    core.state = State::Ready;
    if (heading != kNoGroup && take(i, heading, 0)) {
      // it has come to help
    }
    while (core.state == State::Ready) {
      if (core.frames.empty()) {
        find_work(i);
      } else if (core.waits_for() != kNoGroup) {
        wait(i);
      } else if (Frame& frame = core.frames.back(); frame.next_part == frame.task->parts.size()) {
        end_task(i);
      } else if (const WorkPart& part = frame.task->parts[frame.next_part++]; part.group) {
        open_group(i, part);
      } else if (part.nanoseconds > 0) {
        core.compute(part);
      }
    }
  }

  /// Works on the group that the core has started, or inside of it, or waits for its end.
  void wait(std::size_t i) {
    Core& core = cores_[i];
    const int g = core.waits_for();
    OpenGroup& group = open(g);
    if (group.unfinished == 0) {
      if (group.helpers > 0) {
        core.delay(machine_.join(std::min(group.helpers, static_cast<int>(cores_.size()) - 1)), group.label);
      }
      core.frames.back().waits_for = kNoGroup;
      close(g);
    } else if (!take(i, g, 0)) {
      find_work(i);
    }
  }

  void open_group(std::size_t i, const WorkPart& part) {
    if (part.group->tasks.empty()) {
      return;
    }
    const auto free = std::find_if(groups_.begin(), groups_.end(), [](const auto& g) { return g.group == nullptr; });
    const int g = static_cast<int>(free - groups_.begin());
    if (free == groups_.end()) {
      groups_.emplace_back();
    }
    Frame& frame = cores_[i].frames.back();
    open(g).start(*part.group);
    open(g).parent = frame.group;
    open(g).owner = i;
    open(g).label = part.label;
    order_.push_back(g);
    frame.waits_for = g;
    call_helpers(g, [this](int k) { return machine_.start(k); });
  }

  void close(int g) {
    open(g) = OpenGroup();
    std::erase(order_, g);
    for (Core& core : cores_) {
      if (core.heading == g) {  // comes too late
        core.heading = kNoGroup;
        core.state = State::Waiting;
      }
    }
  }

  /// Sends idle cores to a group for all tasks that can run but one; helper k, from 1, comes after `delay_of(k)`.
  template <class F>
  void call_helpers(int g, const F& delay_of) {
    int sent = 0;
    for (std::size_t i = 0; i < cores_.size() && static_cast<std::size_t>(sent) + 1 < open(g).available(); ++i) {
      if (cores_[i].state == State::Waiting && may_help(cores_[i], g)) {
        cores_[i].heading = g;
        cores_[i].delay(delay_of(++sent), open(g).label);
      }
    }
  }

  bool may_help(const Core& core, int g) {
    const int waits_for = core.waits_for();
    return core.frames.empty() || (waits_for != kNoGroup && is_inside(g, waits_for));
  }

  bool is_inside(int g, int outer) {
    while (g != kNoGroup && g != outer) {
      g = open(g).parent;
    }
    return g == outer;
  }

  /// Takes a task of the group, if there is one left, and begins with it after `delay`.
  bool take(std::size_t i, int g, double delay) {
    OpenGroup& group = open(g);
    if (group.group == nullptr || group.available() == 0) {
      return false;
    }
    const std::size_t task = group.take();
    group.helpers += i != group.owner ? 1 : 0;
    cores_[i].frames.push_back({&group.group->tasks[task], task, g});
    if (cores_.size() > 1) {
      cores_[i].delay(delay + (group.group->is_graph ? machine_.graph_task : machine_.task), group.label);
    }
    return true;
  }

  /// Helps wherever the core may, or waits.
  void find_work(std::size_t i) {
    Core& core = cores_[i];
    for (const bool graphs : {true, false}) {
      for (const int g : order_) {
        const double delay = graphs ? machine_.handover : machine_.start(1);
        if (open(g).group->is_graph == graphs && may_help(core, g) && take(i, g, delay)) {
          return;
        }
      }
    }
    core.state = State::Waiting;
  }

  void end_task(std::size_t i) {
    Core& core = cores_[i];
    const Frame ended = core.frames.back();
    core.frames.pop_back();
    if (ended.group == kNoGroup) {
      core.state = State::Waiting;
      return;
    }
    OpenGroup& group = open(ended.group);
    group.finish(ended.number);
    if (group.group->is_graph) {
      call_helpers(ended.group, [this](int) { return machine_.handover; });
    }
    if (Core& owner = cores_[group.owner]; group.unfinished == 0 && owner.state == State::Waiting) {
      owner.state = State::Ready;
      ready_.push_back(group.owner);
    }
    if (may_help(core, ended.group)) {
      take(i, ended.group, 0);
    }
  }

  const Machine& machine_;
  const double bandwidth_;
  std::vector<Core> cores_;
  std::vector<OpenGroup> groups_;
  std::vector<int> order_;  ///< the open groups, the oldest first
  std::vector<std::size_t> active_;
  std::vector<std::size_t> ready_;  ///< cores that go on now
  Prediction result_;
};

}  // namespace

LostTime& LostTime::operator+=(const LostTime& other) {
  serial += other.serial;
  idle += other.idle;
  overhead += other.overhead;
  bandwidth += other.bandwidth;
  return *this;
}

Prediction predict(const WorkTree& tree, int threads, const Machine& machine) {
  check(threads >= 1, "predict: ", threads, " threads: need at least 1");
  return Simulation(tree, threads, machine).run();
}

}  // namespace backflow::train
