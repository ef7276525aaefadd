#include <csignal>

#include <fcntl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include <backflow/io/datasets/probe_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io::detail {
namespace {

// Of processor time: a machine that is busy or suspended, or a slow file system, is no damage. A child that waits for
// ever takes none, so the time of day has a limit too.
constexpr time_t kMostProcessorSeconds = 60;
constexpr unsigned kMostSeconds = 1800;

[[noreturn]] void run_child(FunctionRef<void()> body) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT, SIGALRM, SIGPROF}) {
    ::signal(signal, SIG_DFL);  // those of the parent would speak for it
  }
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) {
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
  }
  const itimerval limit = {.it_interval = {}, .it_value = {.tv_sec = kMostProcessorSeconds, .tv_usec = 0}};
  ::setitimer(ITIMER_PROF, &limit, nullptr);
  ::alarm(kMostSeconds);
  try {
    body();
  } catch (...) {
    // The parent will meet the same error, and report it.
  }
  ::_exit(0);
}

}  // namespace

void probe_in_child(const std::string& path, FunctionRef<void()> body) {
  const pid_t child = ::fork();
  if (child == 0) run_child(body);
  if (child < 0) return;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return;  // somebody else has waited for it
  }
  const bool is_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  const bool hangs = WIFSIGNALED(status) && (WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGPROF);
  check(is_well, path, ": the file is damaged in a way that makes HDF5 ", hangs ? "hang" : "crash",
        ": need an intact copy");
}

}  // namespace backflow::io::detail
