#include <backflow/train/sweep/job_pool.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>

#include <backflow/io/config.h>
#include <backflow/runtime/base/error.h>
#include <backflow/train/run/child.h>
#include <backflow/train/run/stop_signal.h>

namespace backflow::train {
namespace {

using Clock = std::chrono::steady_clock;

/// The CPUs of each core, of those that may be used.
std::vector<std::vector<int>> by_core(const Topology& topology, const std::vector<int>& cpus) {
  std::vector<std::vector<int>> cores;
  for (const Topology::Core& core : topology.cores) {
    std::vector<int> usable;
    std::copy_if(core.cpus.begin(), core.cpus.end(), std::back_inserter(usable),
                 [&](int cpu) { return std::find(cpus.begin(), cpus.end(), cpu) != cpus.end(); });
    if (!usable.empty()) {
      cores.push_back(std::move(usable));
    }
  }
  if (cores.empty()) {  // a machine that hwloc cannot tell
    for (const int cpu : cpus) {
      cores.push_back({cpu});
    }
  }
  return cores;
}

struct Place {
  std::unique_ptr<Child> child;
  const SweepJob* job = nullptr;
  Clock::time_point start;
  bool told = false;  ///< that it should stop
};

/// The file of this program. Where it has been replaced since, the name by which the kernel still knows the old one:
/// all runs of a sweep have one program.
std::string this_program() {
  const std::filesystem::path self = "/proc/self/exe";
  const std::filesystem::path file = std::filesystem::read_symlink(self);
  std::error_code error;
  return std::filesystem::equivalent(file, self, error) ? file.string() : self.string();
}

/// This program, and what starts it on several ranks.
std::vector<std::string> program_on(std::int64_t ranks) {
  if (ranks == 1) {
    return {this_program(), "train"};
  }
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  const std::string start = (program.parent_path() / "mpirun.sh").string();
  if (find_program(start).empty()) {
    throw io::ConfigError(start + ": no such script: need it beside the program, to start runs on several ranks");
  }
  return {start, "-n", std::to_string(ranks), program.string(), "train"};
}

}  // namespace

std::int64_t count_cores(const Topology& topology, const std::vector<int>& cpus) {
  return static_cast<std::int64_t>(by_core(topology, cpus).size());
}

std::vector<std::vector<int>> share_cores(const Topology& topology, const std::vector<int>& cpus, std::int64_t jobs) {
  const std::vector<std::vector<int>> cores = by_core(topology, cpus);
  const auto parts = static_cast<std::size_t>(jobs);
  const std::size_t each = cores.size() / parts;
  std::vector<std::vector<int>> shares;
  for (std::size_t part = 0; each > 0 && part < parts; ++part) {
    std::vector<int>& share = shares.emplace_back();
    for (std::size_t core = part * each; core < (part + 1) * each; ++core) {
      share.insert(share.end(), cores[core].begin(), cores[core].end());
    }
  }
  return shares;
}

JobPool::JobPool(std::int64_t jobs, std::int64_t threads, std::int64_t ranks)
    : jobs_(jobs), ranks_(ranks), threads_(1) {
  const std::vector<int> cpus = cpus_of_this_thread();
  const std::int64_t all = threads > 0 ? threads : count_cores(Topology::machine(), cpus);
  threads_ = std::max<std::int64_t>(1, all / jobs / ranks);
  program_on(ranks);  // throws before there is any run
  if (jobs > 1 && threads == 0) {
    cores_ = share_cores(Topology::machine(), cpus, jobs);
  }
}

std::string JobPool::text() const {
  const std::string of_ranks = ranks_ > 1 ? to_text(" on ", ranks_, " ranks each") : "";
  return to_text(jobs_, " at once", of_ranks, " with ", threads_, threads_ == 1 ? " thread" : " threads",
                 ranks_ > 1 ? " a rank" : " each");
}

/// Arguments that let a job compute on its part of the machine.
std::vector<std::string> JobPool::command_of(const SweepJob& job, bool has_cores) const {
  std::vector<std::string> command = program_on(ranks_);
  command.insert(command.end(), job.arguments.begin(), job.arguments.end());
  command.insert(command.end(), {"--threads", std::to_string(threads_)});
  if (jobs_ > 1 && !has_cores) {
    command.insert(command.end(), {"--bind", "none"});
  }
  return command;
}

bool JobPool::run(const std::vector<SweepJob>& jobs, const Callbacks& callbacks) {
  std::vector<Place> places(static_cast<std::size_t>(jobs_));
  auto next = jobs.begin();
  const auto start = [&](Place& place, std::size_t number) {
    const SweepJob& job = *next++;
    const std::vector<int> cores = cores_.empty() ? std::vector<int>() : cores_[number];
    place = {nullptr, &job, Clock::now(), false};
    callbacks.started(job);
    place.child =
        std::make_unique<Child>(command_of(job, !cores.empty()), ChildOptions{.output = job.output, .cores = cores});
  };
  const auto look_at = [&](Place& place) {
    if (const std::optional<int> code = place.child->poll()) {
      const std::chrono::duration<double> took = Clock::now() - place.start;
      place.child.reset();
      callbacks.ended(*place.job, *code, took.count());
    } else if (!place.told && stop_requested()) {
      place.told = true;
      place.child->send(SIGTERM);
    }
  };
  for (;;) {
    bool busy = false;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i].child) {
        look_at(places[i]);
      }
      if (!places[i].child && next != jobs.end() && !stop_requested()) {
        start(places[i], i);
      }
      busy = busy || places[i].child != nullptr;
    }
    if (!busy && (next == jobs.end() || stop_requested())) {
      return !stop_requested();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
}

}  // namespace backflow::train
