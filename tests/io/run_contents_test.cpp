#include <backflow/io/run_contents.h>

#include <algorithm>

#include <backflow/exchange/atomic_file.h>
#include <backflow/io/run_directory.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;

namespace {

std::vector<std::string> files_below(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) names.push_back(std::filesystem::relative(entry.path(), directory).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

const std::vector<std::string> kForeign = {"checkpoints/best-1.h5",
                                           "checkpoints/step--1.h5",
                                           "checkpoints/step-.h5",
                                           "checkpoints/step-1.h5.bak",
                                           "checkpoints/step-1e3.h5",
                                           "checkpoints/step-7.h5",
                                           "checkpoints/step-old.h5",
                                           "checkpoints/xbest.h5",
                                           "checkpoints/xstep-0001.h5",
                                           "metrics.jsonl.bak",
                                           "notes.txt",
                                           "trace-rank.json",
                                           "trace-rankx.json",
                                           "x.tmp"};
const std::vector<std::string> kOfRun = {".backflow-node-12-0.tmp",
                                         "checkpoints/.backflow-node-12-1.tmp",
                                         "checkpoints/.backflow-node-12-1.tmp.locktest.0",
                                         "checkpoints/best.h5",
                                         "checkpoints/best.h5.old",
                                         "checkpoints/step-000000007.h5",
                                         "checkpoints/step-000000012.h5.old",
                                         "checkpoints/step-000000012.h5.old-3",
                                         "config.toml",
                                         "environment.json",
                                         "events.out.tfevents.1.host.2.0",
                                         "log.txt",
                                         "metrics.jsonl",
                                         "trace-rank12.json",
                                         "trace.json"};

void fill(const RunDirectory& run, const std::vector<std::string>& names) {
  for (const std::string& name : names) test::write_text(run.file(name), "x");
}

}  // namespace

TEST_CASE("run contents: dumps have names with a number, and are ordered by it") {
  const test::TemporaryDirectory directory;
  const RunDirectory run = RunDirectory::at(directory.file("run"));
  CHECK(list_dumps(run.path()).empty());
  CHECK(list_dumps(directory.file("none")).empty());
  fill(run, kForeign);
  CHECK(list_dumps(run.path()).empty());
  for (const long long step : {1000000000LL, 999999999LL, 20LL}) test::write_text(run.checkpoint(step), "x");
  test::write_text(run.file("checkpoints/step-00000000000000000000000000000000000021.h5"), "x");
  std::vector<long long> steps;
  for (const DumpFile& dump : list_dumps(run.path())) steps.push_back(dump.step);
  CHECK(steps == std::vector<long long>{20, 999999999, 1000000000});
  CHECK(list_dumps(run.path()).back().path == run.checkpoint(1000000000));
}

TEST_CASE("run contents: a directory holds a run when it has a file that runs write") {
  const test::TemporaryDirectory directory;
  const RunDirectory run = RunDirectory::at(directory.file("run"));
  CHECK(find_run(directory.file("none")).empty());
  fill(run, kForeign);
  test::write_text(run.file(".backflow-node-12-0.tmp"), "x");
  CHECK(find_run(run.path()).empty());
  test::write_text(run.checkpoint(5), "x");
  CHECK(find_run(run.path()) == "checkpoints/step-000000005.h5");
  test::write_text(run.file("log.txt"), "x");
  CHECK(find_run(run.path()) == "log.txt");
}

TEST_CASE("run contents: a run is removed and nothing else") {
  const test::TemporaryDirectory directory;
  const RunDirectory run = RunDirectory::at(directory.file("run"));
  fill(run, kForeign);
  fill(run, kOfRun);
  remove_run(run.path());
  CHECK(files_below(run.path()) == kForeign);
  remove_run(directory.file("none"));
}

TEST_CASE("run contents: files that killed processes did not finish are removed, here and among the dumps") {
  const test::TemporaryDirectory directory;
  const RunDirectory run = RunDirectory::at(directory.file("run"));
  {
    AtomicFile unfinished(run.checkpoint(3));
    CHECK(is_temporary(std::filesystem::path(files_below(run.path()).at(0)).filename().string()));
    fill(run, {".backflow-node-12-0.tmp", ".backflow-node-12-0.tmp.locktest.1", "x.tmp", "log.txt",
               "checkpoints/.backflow-x.h5"});
    remove_temporaries(run.path());
  }
  CHECK(files_below(run.path()) == std::vector<std::string>{"checkpoints/.backflow-x.h5", "log.txt", "x.tmp"});
}

TEST_CASE("run contents: a dump that is set aside is kept under a free name, and is none any more") {
  const test::TemporaryDirectory directory;
  const RunDirectory run = RunDirectory::at(directory.file("run"));
  for (const char* text : {"first", "second", "third"}) {
    test::write_text(run.checkpoint(40), text);
    set_aside(run.checkpoint(40));
  }
  CHECK(list_dumps(run.path()).empty());
  CHECK(test::read_text(run.checkpoint(40) + ".old") == "first");
  CHECK(test::read_text(run.checkpoint(40) + ".old-2") == "second");
  CHECK(test::read_text(run.checkpoint(40) + ".old-3") == "third");
}
