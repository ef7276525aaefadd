#include <csignal>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <utility>

#include <backflow/io/datasets/open_samples_internal.h>
#include <backflow/io/dumps/dump_reader_internal.h>
#include <backflow/io/dumps/guarded_read_internal.h>
#include <backflow/io/guarded_read.h>

namespace backflow::io {
namespace {

constexpr std::string_view kCommand = "--read-hdf5-in-a-child";

// Set once, at the start of a program.
struct Program {
  bool starts_itself = false;
  std::function<bool()> stop_requested;
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

std::uint64_t bytes_of(const std::string& path) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  return error ? 0 : bytes;
}

}  // namespace

void use_guard_program(std::function<bool()> stop_requested) {
  program().starts_itself = true;
  program().stop_requested = std::move(stop_requested);
}

std::optional<int> run_guard(int argc, char** argv) {
  if (argc != 6 || argv[1] != kCommand) return {};
  const std::string path = argv[3];
  const std::string dataset = argv[4];
  const int pipe = ::dup(STDOUT_FILENO);
  detail::run_guard_child(pipe, path, detail::GuardLimits(bytes_of(path)), number_of<pid_t>(argv[2]),
                          [&](detail::GuardReport& report) {
                            start_hdf5();
                            const detail::Hdf5Lock lock;
                            if (dataset.empty()) return detail::DumpReader(path).send(report);
                            detail::try_out_samples(path, dataset, number_of<std::uint64_t>(argv[5]));
                          });
}

namespace detail {
namespace {

GuardChild start(const GuardRequest& request, const GuardLimits& limits, FunctionRef<void(GuardReport&)> body) {
  const pid_t parent = ::getpid();
  if (program().starts_itself) {
    return GuardChild::started(request.path, {"backflow", std::string(kCommand), std::to_string(parent), request.path,
                                              request.dataset, std::to_string(request.cache_bytes)});
  }
  const Hdf5Lock lock;  // the copy must find HDF5 at rest, and started
  return GuardChild::forked(request.path, [&](int pipe) { run_guard_child(pipe, request.path, limits, parent, body); });
}

}  // namespace

GuardedRead::GuardedRead(const GuardRequest& request, FunctionRef<void(GuardReport&)> body)
    : path_(request.path),
      limits_(bytes_of(path_)),
      patience_(limits_.real_time, program().stop_requested),
      child_(start(request, limits_, body)) {}

bool GuardedRead::fill(std::span<std::byte> to) {
  while (!to.empty()) {
    const std::size_t got = child_.receive(to, patience_);
    if (got == 0) return false;
    to = to.subspan(got);
  }
  return true;
}

std::uint64_t GuardedRead::next_length() {
  auto word = GuardWord::NoMemory;
  std::uint64_t length = 0;
  if (!fill(std::as_writable_bytes(std::span(&word, 1)))) fail_as_ended(GuardWord::Bytes);
  if (word != GuardWord::Bytes) fail_as_ended(word);
  if (!fill(std::as_writable_bytes(std::span(&length, 1)))) fail_as_ended(GuardWord::Bytes);
  return length;
}

std::string GuardedRead::receive(std::uint64_t most) {
  const std::uint64_t length = next_length();
  check(length <= most, path_, ": damaged, or made to fill memory: its names and texts have ", length,
        " bytes: need at most ", most);
  std::string message(length, '\0');
  if (!fill(std::as_writable_bytes(std::span(message)))) fail_as_ended(GuardWord::Bytes);
  return message;
}

void GuardedRead::receive(std::span<std::byte> to) {
  const std::uint64_t length = next_length();
  check(length == to.size(), path_, ": ", length, " bytes of a tensor's ", to.size(), ": need an intact copy");
  if (!fill(to)) fail_as_ended(GuardWord::Bytes);
}

void GuardedRead::finish() {
  auto word = GuardWord::Bytes;
  if (!fill(std::as_writable_bytes(std::span(&word, 1)))) fail_as_ended(GuardWord::Bytes);
  if (word != GuardWord::Done) fail_as_ended(word);
}

// `word` is how the child says that it ended; Bytes when it does not come to it, or says what nobody expects.
void GuardedRead::fail_as_ended(GuardWord word) {
  std::string said;
  constexpr std::size_t kMostSaid = 64 << 10;
  char buffer[4096];
  while (const std::size_t got = child_.receive(std::as_writable_bytes(std::span(buffer)), patience_)) {
    if (said.size() < kMostSaid) said.append(buffer, got);
  }
  const GuardChild::End end = child_.end();
  check(end != GuardChild::End::Stopped, path_, ": stopped by a signal while it was read");
  check(end != GuardChild::End::TooLong, path_, ": not read within ", limits_.real_time.count(),
        " s: need an intact copy, or a faster file system");
  if (word == GuardWord::Failed) fail(said);
  check(word != GuardWord::NoMemory, path_, ": damaged, or made to fill memory: reading it takes more than ",
        limits_.more_bytes >> 20, " MiB: need an intact copy");
  const int signal = child_.signal();
  check(signal != SIGKILL && signal != SIGTERM, path_, ": signal ", signal,
        " ended the child process that read it, perhaps for want of memory: need an intact copy");
  fail(path_, ": the file is damaged in a way that makes HDF5 ", signal == SIGXCPU ? "hang" : "crash",
       ": need an intact copy");
}

void read_in_child(const GuardRequest& request, FunctionRef<void()> body) {
  const auto silent = [&](GuardReport&) { body(); };
  GuardedRead(request, silent).finish();
}

}  // namespace detail
}  // namespace backflow::io
