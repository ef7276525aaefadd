#include <backflow/io/run_lock.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;

namespace {

std::string this_process() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return to_text("process ", ::getpid(), " on ", host);
}

}  // namespace

TEST_CASE("run lock: one holder at a time, who is named; nothing is left behind") {
  const test::TemporaryDirectory directory;
  std::shared_ptr<RunLock> lock = RunLock::try_take(directory.path());
  REQUIRE(lock != nullptr);
  CHECK(lock->is_enforced());
  CHECK(RunLock::holder(directory.path()) == this_process());
  CHECK(RunLock::try_take(directory.path()) == nullptr);
  lock = nullptr;
  CHECK(directory.names().empty());
  CHECK(RunLock::try_take(directory.path()) != nullptr);
}

TEST_CASE("run lock: the file that a killed holder leaves locks nothing") {
  const test::TemporaryDirectory directory;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = RunLock::try_take(directory.path());
    const char done = lock == nullptr ? 'n' : 'y';
    static_cast<void>(!::write(ready[1], &done, 1));
    for (;;) ::pause();
  }
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  CHECK(RunLock::try_take(directory.path()) == nullptr);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(directory.names() == std::vector<std::string>{"lock"});
  const auto lock = RunLock::try_take(directory.path());
  REQUIRE(lock != nullptr);
  CHECK(RunLock::holder(directory.path()) == this_process());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("run lock: a file that was removed and made anew has a lock of its own") {
  const test::TemporaryDirectory directory;
  std::shared_ptr<RunLock> first = RunLock::try_take(directory.path());
  std::filesystem::remove(directory.file("lock"));
  const auto second = RunLock::try_take(directory.path());
  REQUIRE(second != nullptr);
  first = nullptr;  // must not take away the file of the second
  CHECK(std::filesystem::exists(directory.file("lock")));
  CHECK(RunLock::try_take(directory.path()) == nullptr);
}

TEST_CASE("run lock: a file that says nothing, and a directory that cannot be written") {
  const test::TemporaryDirectory directory;
  test::write_text(directory.file("lock"), "");
  CHECK(RunLock::holder(directory.path()) == "another process");
  CHECK(error_of([&] { RunLock::try_take(directory.file("none")); }) ==
        directory.file("none/lock") +
            ": cannot open: No such file or directory: need a run directory that can be written");
}
