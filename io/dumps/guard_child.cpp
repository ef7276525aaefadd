#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <utility>

#include <backflow/io/dumps/guard_child_internal.h>
#include <backflow/runtime/base/error.h>

extern char** environ;

namespace backflow::io::detail {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostSaid = 64 << 10;
// What a parent may have handlers for, or have blocked.
constexpr std::array kSignals = {SIGSEGV, SIGBUS,  SIGABRT, SIGFPE,  SIGILL,  SIGTERM, SIGINT,
                                 SIGHUP,  SIGALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGPIPE, SIGXCPU};

struct Pipe {
  std::array<int, 2> ends = {-1, -1};

  explicit Pipe(const std::string& path) {
    check(::pipe2(ends.data(), O_CLOEXEC) == 0, path,
          ": cannot make a pipe for the child process that reads it: ", std::strerror(errno));
    constexpr int kBytes = 1 << 20;  // a smaller one works, too
    ::fcntl(ends[1], F_SETPIPE_SZ, kBytes);
  }
};

rlim_t address_space_bytes() {
  std::ifstream statm("/proc/self/statm");
  rlim_t pages = 0;
  statm >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

void lower_limit(int resource, rlim_t value, rlim_t hard) {
  rlimit now{};
  ::getrlimit(static_cast<__rlimit_resource_t>(resource), &now);
  const rlimit lower{std::min(value, now.rlim_cur), std::min(hard, now.rlim_max)};
  ::setrlimit(static_cast<__rlimit_resource_t>(resource), &lower);
}

void take_limits(const GuardLimits& limits) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec + limits.processor_seconds);
  lower_limit(RLIMIT_CPU, seconds, seconds + 1);
  const rlim_t bytes = address_space_bytes() + limits.more_bytes;
  lower_limit(RLIMIT_AS, bytes, bytes);
  // No core dump: 1 is what a program that takes dumps from a pipe understands, and no file is that small.
  lower_limit(RLIMIT_CORE, 1, 1);
}

void silence() {
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere < 0) return;
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
}

}  // namespace

GuardLimits::GuardLimits(std::uint64_t file_bytes)
    : processor_seconds(5 + static_cast<long>(file_bytes / 5'000'000)),
      real_time(600 + 15 * processor_seconds),
      more_bytes(std::min(file_bytes, std::uint64_t{1} << 50) * 100 + (std::uint64_t{256} << 20)) {}

void GuardReport::write(const void* data, std::size_t bytes) const {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t wrote = ::write(pipe_, static_cast<const char*>(data) + done, bytes - done);
    if (wrote < 0 && errno != EINTR) ::_exit(1);  // nobody takes it
    done += static_cast<std::size_t>(std::max<ssize_t>(wrote, 0));
  }
}

void GuardReport::send(std::span<const std::byte> bytes) {
  const auto word = GuardWord::Bytes;
  const std::uint64_t length = bytes.size();
  write(&word, sizeof word);
  write(&length, sizeof length);
  write(bytes.data(), bytes.size());
}

void GuardReport::end(GuardWord word, std::string_view text) {
  write(&word, sizeof word);
  write(text.data(), std::min(text.size(), kMostSaid));
}

void run_guard_child(int pipe, const std::string& path, const GuardLimits& limits, pid_t parent,
                     FunctionRef<void(GuardReport&)> body) {
  ::setpgid(0, 0);  // a terminal's signals are the parent's business
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  for (const int signal : kSignals) ::signal(signal, SIG_DFL);  // handlers of the parent would speak for it
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  silence();
  take_limits(limits);
  GuardReport report(pipe);
  try {
    body(report);
    report.end(GuardWord::Done);
  } catch (const std::bad_alloc&) {
    report.end(GuardWord::NoMemory);
  } catch (const std::exception& error) {
    const std::string_view text = error.what();
    report.end(text.starts_with(path) ? GuardWord::Failed : GuardWord::NoMemory, text);
  }
  ::_exit(0);
}

GuardChild::Patience::Patience(std::chrono::seconds real_time, std::function<bool()> stop)
    : last(Clock::now() + real_time), stop_requested(std::move(stop)) {}

GuardChild GuardChild::forked(const std::string& path, FunctionRef<void(int)> body) {
  const Pipe pipe(path);
  const pid_t process = ::fork();
  if (process == 0) {
    body(pipe.ends[1]);
    ::_exit(1);
  }
  const int error = errno;
  ::close(pipe.ends[1]);
  GuardChild child(process, pipe.ends[0]);
  check(process > 0, path, ": cannot start a child process to read it: ", std::strerror(error));
  return child;
}

GuardChild GuardChild::started(const std::string& path, const std::vector<std::string>& arguments) {
  const Pipe pipe(path);
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&files, pipe.ends[1], STDOUT_FILENO);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  for (const int signal : kSignals) sigaddset(&signals, signal);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t process = -1;
  const int error = ::posix_spawn(&process, "/proc/self/exe", &files, &attributes, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  ::close(pipe.ends[1]);
  GuardChild child(error == 0 ? process : -1, pipe.ends[0]);
  check(error == 0, path, ": cannot start a child process to read it: ", std::strerror(error));
  return child;
}

GuardChild::GuardChild(GuardChild&& other) noexcept
    : process_(std::exchange(other.process_, -1)),
      pipe_(std::exchange(other.pipe_, -1)),
      signal_(other.signal_),
      end_(other.end_),
      stopped_(other.stopped_) {}

GuardChild::~GuardChild() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    collect();
  }
  if (pipe_ >= 0) ::close(pipe_);
}

void GuardChild::collect() {
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0) {
    if (errno != EINTR) {  // somebody else has waited for it
      status = 0;
      break;
    }
  }
  signal_ = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  process_ = -1;
}

std::size_t GuardChild::receive(std::span<std::byte> to, const Patience& patience) {
  constexpr int kMilliseconds = 50;
  constexpr std::chrono::seconds kToFinish{2};  // an intact file is read by then, unless it is large
  while (end_ == End::None) {
    pollfd ready{pipe_, POLLIN, 0};
    if (::poll(&ready, 1, kMilliseconds) > 0) {
      const ssize_t got = ::read(pipe_, to.data(), to.size());
      if (got > 0) return static_cast<std::size_t>(got);
      if (got < 0 && errno == EINTR) continue;
      collect();
      end_ = End::Itself;
    } else if (stopped_ ? Clock::now() > *stopped_ + kToFinish : Clock::now() > patience.last) {
      end_ = stopped_ ? End::Stopped : End::TooLong;
    } else if (!stopped_ && patience.stop_requested && patience.stop_requested()) {
      stopped_ = Clock::now();
    }
  }
  return 0;
}

}  // namespace backflow::io::detail
