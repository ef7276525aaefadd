#include <backflow/train/run/child.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backflow/runtime/base/error.h>

namespace backflow::train {
namespace {

/// What the new process needs, made before the fork: after it nothing may ask for memory.
struct Prepared {
  std::string program;
  std::vector<char*> arguments;
  std::string output;
  cpu_set_t cores = {};
  bool has_cores = false;
  pid_t parent = ::getpid();
};

/// In the new process; returns only when it cannot become the program.
void become(const Prepared& p) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != p.parent) {
    ::_exit(1);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  if (p.has_cores) {
    ::sched_setaffinity(0, sizeof p.cores, &p.cores);
  }
  const int input = ::open("/dev/null", O_RDONLY);
  const int output = ::open(p.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (input < 0 || output < 0 || ::dup2(input, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
      ::dup2(output, STDERR_FILENO) < 0) {
    return;
  }
  ::execv(p.program.c_str(), p.arguments.data());
}

}  // namespace

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    return ::access(name.c_str(), X_OK) == 0 ? name : "";
  }
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string file = (folder.empty() ? "." : folder) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) {
      return file;
    }
  }
  return "";
}

Child::Child(const std::vector<std::string>& arguments, const ChildOptions& options) {
  Prepared p{.program = find_program(arguments.front()), .arguments = {}, .output = options.output};
  check(!p.program.empty(), arguments.front(), ": no such program: need one that can be run");
  for (const std::string& argument : arguments) {
    p.arguments.push_back(const_cast<char*>(argument.c_str()));  // execv changes none
  }
  p.arguments.push_back(nullptr);
  if (p.output.empty()) {
    p.output = "/dev/null";
  }
  CPU_ZERO(&p.cores);
  for (const int core : options.cores) {
    CPU_SET(static_cast<std::size_t>(core), &p.cores);
    p.has_cores = true;
  }
  std::array<int, 2> ends = {-1, -1};  // closed when the process has become the program
  check(::pipe2(ends.data(), O_CLOEXEC) == 0, p.program, ": cannot make a pipe: ", std::strerror(errno));
  process_ = ::fork();
  if (process_ == 0) {
    become(p);
    const int error = errno;
    static_cast<void>(::write(ends[1], &error, sizeof error) > 0);
    ::_exit(127);
  }
  const int fork_error = errno;
  ::close(ends[1]);
  int error = 0;
  ssize_t got = 0;
  while (process_ > 0 && (got = ::read(ends[0], &error, sizeof error)) < 0 && errno == EINTR) {
  }
  ::close(ends[0]);
  check(process_ > 0, p.program, ": cannot start: ", std::strerror(fork_error));
  if (got > 0) {
    ::waitpid(process_, nullptr, 0);
    fail(p.program, ": cannot start, with output to ", p.output, ": ", std::strerror(error));
  }
}

Child::~Child() {
  if (!poll()) {
    send(SIGKILL);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

std::optional<int> Child::poll() {
  int status = 0;
  if (!code_ && ::waitpid(process_, &status, WNOHANG) == process_) {
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return code_;
}

std::optional<int> Child::wait(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto limit = Clock::now() + std::chrono::duration<double>(seconds);
  while (!poll() && Clock::now() < limit) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return code_;
}

void Child::send(int signal) const {
  if (!code_) {
    ::kill(process_, signal);
  }
}

}  // namespace backflow::train
