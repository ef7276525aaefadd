#include <backflow/io/trace_file.h>

#include <nlohmann/json.hpp>

#include <backflow/runtime/tensor/storage.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using Json = nlohmann::json;

namespace {

trace::Event node_event() {
  trace::Event event;
  event.name = "AddmmBackward0";
  event.kind = trace::Kind::kNode;
  event.node = 3;
  event.start = 1'000'000'000'000'001;  // a host that is up for twelve days
  event.end = event.start + 2000;
  event.flop = 4e6;
  event.bytes = 1e5;
  event.live_bytes = 123456;
  event.in.add(empty_tensor({32, 48}, kFloat32));
  event.out.add(Tensor());
  event.out.add(empty_tensor({48, 64}, kFloat64));
  return event;
}

Json written(const std::vector<trace::ThreadEvents>& threads, int rank) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("trace.json");
  io::write_trace(path, threads, rank);
  return Json::parse(test::read_text(path));
}

std::vector<Json> of_phase(const Json& trace, const std::string& phase) {
  std::vector<Json> found;
  for (const Json& event : trace.at("traceEvents")) {
    if (event.at("ph") == phase) {
      found.push_back(event);
    }
  }
  return found;
}

}  // namespace

TEST_CASE("trace file: a slice and a counter for each event, a row for each thread") {
  trace::Event span;
  span.name = "all-reduce";
  span.start = 500;
  span.end = 1500;
  span.bytes = 4096;
  trace::Event pass;
  pass.name = "backward pass";
  pass.kind = trace::Kind::kPass;
  pass.work = 6000;
  pass.critical = 4000;
  const Json trace = written({{"main", 0, {node_event(), pass}, 0}, {"communication", 2, {span}, 7}}, 1);
  CHECK(trace.at("otherData").at("dropped_events") == 7);
  const auto slices = of_phase(trace, "X");
  REQUIRE(slices.size() == 3);
  CHECK(slices[0] == Json::parse(R"({"name": "AddmmBackward0", "cat": "backward", "ph": "X", "pid": 1, "tid": 0,
      "ts": 1000000000000.001, "dur": 2.0, "args": {"in": "f32[32, 48]", "out": "-, f64[48, 64]", "flop": 4e6,
      "gflop_per_second": 2000.0, "node": 3, "bytes": 1e5}})"));
  CHECK(slices[1].at("args") == Json::parse(R"({"work_us": 6.0, "critical_path_us": 4.0, "parallelism_bound": 1.5})"));
  CHECK(slices[2] == Json::parse(R"({"name": "all-reduce", "cat": "span", "ph": "X", "pid": 1, "tid": 2, "ts": 0.5,
      "dur": 1.0, "args": {"bytes": 4096.0}})"));
  const auto counters = of_phase(trace, "C");
  REQUIRE(counters.size() == 3);
  CHECK(counters[0].at("args").at("bytes") == 123456);
  CHECK(counters[0].at("ts") == slices[0].at("ts").get<double>() + 2);
  std::vector<std::string> names;
  for (const Json& event : of_phase(trace, "M")) {
    CHECK(event.at("pid") == 1);
    if (event.at("name") == "thread_name" || event.at("name") == "process_name") {
      names.push_back(event.at("args").at("name"));
    }
  }
  CHECK(names == std::vector<std::string>{"rank 1", "main", "communication"});
}

TEST_CASE("trace file: no events, and a path that can't be written") {
  CHECK(of_phase(written({}, 0), "X").empty());
  CHECK_THROWS_AS(io::write_trace("/nowhere/trace.json", {}, 0), Error);
}
