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

#include <backflow/io/guard_child_internal.h>
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

void say(int report, GuardWord word, std::string_view text = {}) {
  std::string all(1, static_cast<char>(word));
  all += text.substr(0, kMostSaid - 1);
  for (std::size_t done = 0; done < all.size();) {
    const ssize_t wrote = ::write(report, all.data() + done, all.size() - done);
    if (wrote < 0 && errno != EINTR) return;
    done += static_cast<std::size_t>(std::max<ssize_t>(wrote, 0));
  }
}

}  // namespace

GuardLimits::GuardLimits(std::uint64_t file_bytes)
    : processor_seconds(5 + static_cast<long>(file_bytes / 5'000'000)),
      real_time(600 + 15 * processor_seconds),
      more_bytes(std::min(file_bytes, std::uint64_t{1} << 50) * 100 + (std::uint64_t{256} << 20)) {}

void run_guard_child(int report, const std::string& path, const GuardLimits& limits, pid_t parent,
                     FunctionRef<void()> body) {
  ::setpgid(0, 0);  // a terminal's signals are the parent's business
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  for (const int signal : kSignals) ::signal(signal, SIG_DFL);  // handlers of the parent would speak for it
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  silence();
  take_limits(limits);
  try {
    body();
    say(report, GuardWord::Done);
  } catch (const std::bad_alloc&) {
    say(report, GuardWord::NoMemory);
  } catch (const std::exception& error) {
    const std::string_view text = error.what();
    say(report, text.starts_with(path) ? GuardWord::Failed : GuardWord::NoMemory, text);
  }
  ::_exit(0);
}

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
      report_(std::exchange(other.report_, -1)),
      signal_(other.signal_),
      said_(std::move(other.said_)) {}

GuardChild::~GuardChild() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    collect();
  }
  if (report_ >= 0) ::close(report_);
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

GuardChild::End GuardChild::wait(std::chrono::seconds limit, const std::function<bool()>& stop_requested) {
  constexpr int kMilliseconds = 50;
  const Clock::time_point last = Clock::now() + limit;
  std::array<char, 4096> buffer{};
  for (;;) {
    if (stop_requested && stop_requested()) return End::Stopped;
    if (Clock::now() > last) return End::TooLong;
    pollfd ready{report_, POLLIN, 0};
    if (::poll(&ready, 1, kMilliseconds) <= 0) continue;
    const ssize_t got = ::read(report_, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;  // the child has ended
    said_.append(buffer.data(), std::min(static_cast<std::size_t>(got), kMostSaid - std::min(kMostSaid, said_.size())));
  }
  collect();
  return End::Itself;
}

}  // namespace backflow::io::detail
