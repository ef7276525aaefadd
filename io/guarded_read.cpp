#include <csignal>

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <string_view>
#include <utility>

#include <backflow/io/datasets/hdf5_samples.h>
#include <backflow/io/dump_internal.h>
#include <backflow/io/guard_child_internal.h>
#include <backflow/io/guarded_read.h>
#include <backflow/io/guarded_read_internal.h>

namespace backflow::io {
namespace {

using detail::GuardChild;
using detail::GuardedRead;
using detail::GuardLimits;
using detail::GuardWord;

constexpr std::string_view kCommand = "--read-hdf5-in-a-child";

// Set once, at the start of a program.
struct Program {
  bool starts_itself = false;
  std::function<bool()> stop_requested;
  int report = -1;  // in a child: what it reports to
  pid_t parent = 0;
};

Program& program() {
  static Program instance;
  return instance;
}

template <class T>
T number_of(std::string_view text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<std::string> arguments_of(const GuardedRead& read) {
  return {"backflow", std::string(kCommand), std::to_string(::getpid()),
          read.path,  read.dataset,          std::to_string(read.cache_bytes)};
}

/// What the end of a child says about the file.
void judge(const GuardChild& child, GuardChild::End end, const std::string& path, const GuardLimits& limits) {
  check(end != GuardChild::End::Stopped, path, ": stopped by a signal while it was read");
  check(end != GuardChild::End::TooLong, path, ": not read within ", limits.real_time.count(),
        " s: need an intact copy, or a faster file system");
  const std::string_view said = child.said();
  const auto is = [&](GuardWord word) { return said.starts_with(static_cast<char>(word)); };
  if (is(GuardWord::Done)) return;
  if (is(GuardWord::Failed)) fail(said.substr(1));
  check(!is(GuardWord::NoMemory), path, ": damaged, or made to fill memory: reading it takes more than ",
        limits.more_bytes >> 20, " MiB: need an intact copy");
  const bool hangs = child.signal() == SIGXCPU;
  const bool killed = child.signal() == SIGKILL || child.signal() == SIGTERM;
  check(!killed, path, ": signal ", child.signal(),
        " ended the child process that read it, perhaps for want of memory: need an intact copy");
  fail(path, ": the file is damaged in a way that makes HDF5 ", hangs ? "hang" : "crash", ": need an intact copy");
}

}  // namespace

void use_guard_program(std::function<bool()> stop_requested) {
  program().starts_itself = true;
  program().stop_requested = std::move(stop_requested);
}

std::optional<int> run_guard(int argc, char** argv) {
  if (argc != 6 || argv[1] != kCommand) return {};
  const GuardedRead read{argv[3], argv[4], number_of<std::uint64_t>(argv[5])};
  program().parent = number_of<pid_t>(argv[2]);
  program().report = ::dup(STDOUT_FILENO);
  std::string failure;
  try {
    start_hdf5();
    // Each ends the process in read_in_child(), unless it fails before, or the file has become one of ours.
    if (read.dataset.empty()) {
      detail::read_raw_dump(read.path);
    } else {
      const Hdf5Samples samples(read.path, read.dataset, read.cache_bytes);
    }
  } catch (const std::exception& error) {
    failure = error.what();
  }
  detail::run_guard_child(program().report, read.path, GuardLimits(0), program().parent,
                          [&] { check(failure.empty(), failure); });
}

namespace detail {

void read_in_child(const GuardedRead& read, FunctionRef<void()> body) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(read.path, error);
  const GuardLimits limits(error ? 0 : bytes);
  if (program().report >= 0) run_guard_child(program().report, read.path, limits, program().parent, body);
  const pid_t parent = ::getpid();
  const auto copy = [&](int report) { run_guard_child(report, read.path, limits, parent, body); };
  GuardChild child = program().starts_itself ? GuardChild::started(read.path, arguments_of(read))
                                             : GuardChild::forked(read.path, copy);
  judge(child, child.wait(limits.real_time, program().stop_requested), read.path, limits);
}

}  // namespace detail
}  // namespace backflow::io
