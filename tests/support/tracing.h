#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include <backflow/runtime/trace/trace.h>
#include <backflow/tests/catch2.h>

// What was traced, for tests.
namespace backflow::test {

/// Tracing is on until the end of the scope.
struct Tracing {
  explicit Tracing(const trace::Options& options = {}) { trace::start(options); }
  ~Tracing() { trace::stop(); }
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;
};

inline std::vector<trace::Event> events(trace::Kind kind) {
  std::vector<trace::Event> found;
  for (const trace::ThreadEvents& thread : trace::collect()) {
    std::copy_if(thread.events.begin(), thread.events.end(), std::back_inserter(found),
                 [&](const trace::Event& event) { return event.kind == kind; });
  }
  return found;
}

inline trace::Event only(trace::Kind kind, std::string_view name) {
  std::vector<trace::Event> found = events(kind);
  std::erase_if(found, [&](const trace::Event& event) { return event.name != name; });
  REQUIRE(found.size() == 1);
  return found[0];
}

}  // namespace backflow::test
