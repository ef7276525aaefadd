// The body of Catch2, compiled once for all test programs.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#include <catch2/catch_test_case_info.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>
using Listener = Catch::EventListenerBase;
#else
#define CATCH_CONFIG_RUNNER
#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include <catch2/catch.hpp>
using Listener = Catch::TestEventListenerBase;
#endif

#include <backflow/tests/catch2.h>

#include <stdlib.h>  // setenv

#include <cstdlib>
#include <iostream>
#include <set>
#include <string>
#include <string_view>

namespace {

std::string program;

// Version 2 has the information inside, version 3 points to it.
[[maybe_unused]] const Catch::TestCaseInfo& info(const Catch::TestCaseInfo& test) { return test; }
[[maybe_unused]] const Catch::TestCaseInfo& info(const Catch::TestCaseInfo* test) { return *test; }

/// Prints, for every test case that failed, the line that runs it again: one for each sample that did not pass, where
/// the test says which (tests/support/samples.h), else one for the whole case. Unlike the report, it is never wrapped.
struct ReproducingLine : Listener {
  using Listener::Listener;

#if __has_include(<catch2/catch_session.hpp>)
  void assertionEnded(const Catch::AssertionStats& stats) override { note(stats); }
#else
  bool assertionEnded(const Catch::AssertionStats& stats) override {
    note(stats);
    return false;
  }
#endif

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    if (stats.totals.assertions.allOk()) return;
    if (!lines_.empty()) {
      for (const std::string& line : lines_) std::cerr << line << std::endl;
      lines_.clear();
      return;
    }
    const char* ranks = std::getenv("OMPI_COMM_WORLD_SIZE");
    std::string launcher = ranks ? std::string("scripts/mpirun.sh -n ") + ranks + " " : "";
    std::cerr << "reproduce: " << launcher << program << " '" << info(stats.testInfo).name << "'" << std::endl;
  }

 private:
  void note(const Catch::AssertionStats& stats) {
    if (stats.assertionResult.isOk()) return;
    for (const Catch::MessageInfo& info : stats.infoMessages) {
      const std::string& line = info.message;
      if (!line.starts_with("reproduce: ")) continue;
      const std::size_t name = line.find(kProgram);
      lines_.insert(name == std::string::npos
                        ? line
                        : line.substr(0, name + 1) + program + line.substr(name + kProgram.size() - 1));
    }
  }

  static constexpr std::string_view kProgram = " test_ops ";  // as samples.cpp calls it
  std::set<std::string> lines_;
};

CATCH_REGISTER_LISTENER(ReproducingLine)

}  // namespace

int backflow::test::run(int argc, char** argv) {
  program = argv[0];
  ::setenv("BACKFLOW_OVERSUBSCRIBE", "1", 0);  // threads that a test asks for, on any machine
  Catch::Session session;
  const bool under_mpirun = std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr;
#if __has_include(<catch2/catch_session.hpp>)
  // As in version 2: a selection without a test is no failure. A program may have no slow test.
  session.configData().allowZeroTests = true;
  if (under_mpirun) session.configData().defaultColourMode = Catch::ColourMode::None;
#else
  if (under_mpirun) session.configData().useColour = Catch::UseColour::No;
#endif
  return session.run(argc, argv);
}
