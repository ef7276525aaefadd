#include <backflow/train/run/run_start.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <ranges>
#include <thread>

#include <backflow/io/config.h>
#include <backflow/io/run_contents.h>
#include <backflow/train/run/digest.h>
#include <backflow/train/run/shared_failure.h>
#include <backflow/train/run/stop_signal.h>

namespace backflow::train {
namespace {

namespace fs = std::filesystem;

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  throw io::ConfigError(to_text(parts...));
}

bool is_directory(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

/// A dump that is named has to be one of the run that goes on, if there is one: the files of two runs do not mix.
void check_named_dump(const StartOptions& options) {
  std::error_code error;
  if (is_directory(options.resume)) {
    refuse("--resume ", options.resume, ": is a directory: need a dump in it, or auto with --out DIR");
  }
  if (!fs::is_regular_file(options.resume, error)) {
    refuse("--resume ", options.resume, ": no such file: need a dump, as checkpoints/step-000003752.h5, or auto");
  }
  const std::string run = options.out.empty() ? "" : io::find_run(options.out);
  const fs::path folder = fs::absolute(options.resume).parent_path();
  if (!run.empty() && !fs::equivalent(folder, fs::path(options.out) / "checkpoints", error)) {
    refuse("--resume ", options.resume, ": ", options.out, " holds another run already (", run,
           "): need one of its own dumps, or another --out");
  }
}

/// What can be refused at sight, without waiting for a lock.
void check_options(const StartOptions& options) {
  if (options.overwrite && !options.resume.empty()) {
    refuse("--overwrite: removes the run that --resume goes on with: need one of the two");
  }
  if (options.resume == "auto") {
    if (options.out.empty()) {
      refuse("--resume auto: no run directory: need --out DIR, whose newest dump is taken");
    }
  } else if (!options.resume.empty()) {
    check_named_dump(options);
  } else if (!options.overwrite && !options.out.empty()) {
    refuse_run(options.out);
  }
}

io::Dump read_candidate(const io::DumpFile& file) {
  io::Dump dump = io::read_dump(file.path);
  check(dump.step == file.step, file.path, ": a dump of step ", dump.step, ": need a name that says so");
  return dump;
}

/// Takes the newest dump that is whole, if there is any.
void choose_newest(RunStart& start) {
  const std::vector<io::DumpFile> dumps = io::list_dumps(start.out);
  for (const io::DumpFile& file : std::views::reverse(dumps)) {
    try {
      start.dump = read_candidate(file);
      start.dump_path = file.path;
      return;
    } catch (const Error& error) {
      start.warnings.push_back(to_text("--resume auto: left out: ", error.what()));
    }
  }
  check(dumps.empty(), "--resume auto: ", start.out, ": none of its ", dumps.size(),
        " dumps can be read: ", start.warnings.empty() ? "" : start.warnings.front(), "; --overwrite starts anew");
}

/// Rank 0's part of start_run().
void choose(const StartOptions& options, RunStart& start) {
  check_options(options);
  if (!options.out.empty() && is_directory(options.out)) {
    start.lock = lock_run(options.out);
    check_options(options);  // whoever had the lock may have left a run
  }
  if (options.resume == "auto") {
    choose_newest(start);
  } else if (!options.resume.empty()) {
    start.dump_path = options.resume;
    start.dump = io::read_dump(options.resume);
  }
}

void compare_dumps(const RunStart& start, distributed::Communicator& world) {
  const std::vector<std::string> all = world.all_gather(describe_dump(start.dump));
  const auto other = std::find_if(all.begin(), all.end(), [&](const std::string& text) { return text != all.front(); });
  run_on_all_ranks(world, [&] {
    check(other == all.end(), "--resume ", start.dump_path, ": ranks read different files: rank 0 has ", all.front(),
          "; rank ", other - all.begin(), " has ", other == all.end() ? "" : *other,
          ": need one file, on a file system that all nodes share");
  });
}

}  // namespace

RunStart start_run(const StartOptions& options, distributed::Communicator& world) {
  RunStart start{.out = options.out,
                 .existing = options.overwrite        ? ExistingRun::Overwrite
                             : options.resume.empty() ? ExistingRun::Refuse
                                                      : ExistingRun::GoOn};
  run_on_rank_0(world, [&] { choose(options, start); });
  start.dump_path = world.all_gather(start.dump_path).front();
  if (!start.dump_path.empty()) {
    run_on_all_ranks(world, [&] {
      if (world.rank() != 0) {
        start.dump = io::read_dump(start.dump_path);
      }
    });
    compare_dumps(start, world);
  }
  return start;
}

std::shared_ptr<io::RunLock> lock_run(const std::string& directory) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  constexpr std::chrono::seconds kPatience{10};
  constexpr std::chrono::milliseconds kSilence{500};
  constexpr std::chrono::milliseconds kPause{20};
  bool said = false;
  for (;;) {
    if (auto lock = io::RunLock::try_take(directory)) {
      return lock;
    }
    if (stop_requested()) {
      refuse(directory, ": in use by ", io::RunLock::holder(directory),
             ": stopped by a signal while waiting for its end");
    }
    const Clock::duration waited = Clock::now() - start;
    if (waited >= kPatience) {
      refuse(directory, ": in use by ", io::RunLock::holder(directory), ": need its end, or another --out");
    }
    if (!said && waited >= kSilence) {
      said = true;
      std::cerr << "backflow: waiting for " << io::RunLock::holder(directory) << " to leave " << directory << std::endl;
    }
    std::this_thread::sleep_for(kPause);
  }
}

void refuse_run(const std::string& directory) {
  const std::string run = io::find_run(directory);
  if (!run.empty()) {
    refuse(directory, ": holds a run already (", run,
           "): need --resume auto to go on with it, --overwrite to remove its files, or another --out");
  }
}

}  // namespace backflow::train
