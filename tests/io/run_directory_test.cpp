#include <backflow/io/run_directory.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <backflow/exchange/atomic_file.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;

TEST_CASE("run directory: unique even within a second") {
  const test::TemporaryDirectory directory;
  const std::time_t now = 1700000000;
  const RunDirectory first = RunDirectory::unique("mlp", directory.file("runs"), now);
  const RunDirectory second = RunDirectory::unique("mlp", directory.file("runs"), now);
  const RunDirectory third = RunDirectory::unique("mlp", directory.file("runs"), now);
  CHECK_THAT(first.path(), StartsWith(directory.file("runs/mlp/2023-11-1")));
  CHECK(second.path() == first.path() + "-2");
  CHECK(third.path() == first.path() + "-3");
  CHECK(std::filesystem::is_directory(third.checkpoints()));
  CHECK(first.file("config.toml") == first.path() + "/config.toml");
  CHECK(first.checkpoint(938) == first.path() + "/checkpoints/step-000000938.h5");
}

TEST_CASE("run directory: a given one, new or there already") {
  const test::TemporaryDirectory directory;
  const RunDirectory made = RunDirectory::at(directory.file("a/b"));
  CHECK(std::filesystem::is_directory(directory.file("a/b/checkpoints")));
  test::write_text(made.file("log.txt"), "x");
  RunDirectory::at(directory.file("a/b"));
  CHECK(test::read_text(made.file("log.txt")) == "x");
}

TEST_CASE("run directory: what cannot be one") {
  const test::TemporaryDirectory directory;
  test::write_text(directory.file("f"), "x");
  CHECK(error_of([&] { RunDirectory::at(directory.file("f/x")); }) ==
        directory.file("f/x") + ": cannot make the directory: Not a directory");
  CHECK_THAT(error_of([&] { RunDirectory::at(directory.file("f")); }), StartsWith(directory.file("f") + ": "));
  CHECK(error_of([] { RunDirectory::at(""); }) == "'': cannot make the directory: need a name");
  for (const std::string name : {"", ".", "..", "a/b"}) {
    CHECK(error_of([&] { RunDirectory::unique(name, directory.path()); }) ==
          "run name '" + name + "': need a name that a directory can have");
  }
  CHECK_THAT(error_of([] { RunDirectory::unique("x", "/proc/none"); }),
             StartsWith("/proc/none/x: cannot make the directory: "));
}

TEST_CASE("atomic file: replaces in full, or not at all") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a");
  write_file_atomically(path, "one");
  {
    AtomicFile file(path);
    file.write("half", 4);
    CHECK(directory.names().size() == 2);
  }
  CHECK(test::read_text(path) == "one");
  CHECK(directory.names() == std::vector<std::string>{"a"});
  write_file_atomically(path, "");
  CHECK(test::read_text(path).empty());
}

TEST_CASE("atomic file: bare names, the usual permissions, and errors") {
  const test::TemporaryDirectory directory;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  write_file_atomically("bare", "x");
  std::filesystem::current_path(before);
  CHECK(test::read_text(directory.file("bare")) == "x");
  const mode_t mask = ::umask(0);
  ::umask(mask);
  struct stat status {};
  REQUIRE(::stat(directory.file("bare").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == (0666 & ~mask));
  CHECK(error_of([&] { write_file_atomically(directory.file("none/x"), "x"); }) ==
        directory.file("none/x") + ": cannot write: No such file or directory");
  CHECK(error_of([&] { write_file_atomically(directory.path() + "/", "x"); }) ==
        "'" + directory.path() + "/': cannot write: need the name of a file");
}
