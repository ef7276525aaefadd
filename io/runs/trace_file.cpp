#include <backflow/io/trace_file.h>

#include <nlohmann/json.hpp>

#include <backflow/exchange/atomic_file.h>
#include <backflow/runtime/trace/bucket_number.h>

namespace backflow::io {
namespace {

using Json = nlohmann::ordered_json;
using trace::Event;
using trace::Kind;

double microseconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; }

const char* category(Kind kind) {
  switch (kind) {
    case Kind::kOperator:
      return "forward";
    case Kind::kNode:
      return "backward";
    case Kind::kTask:
      return "task";
    case Kind::kPass:
      return "pass";
    case Kind::kSpan:
      break;
  }
  return "span";
}

Json arguments(const Event& event) {
  Json args = Json::object();
  if (event.kind == Kind::kOperator || event.kind == Kind::kNode) {
    args["in"] = event.in.text();
    args["out"] = event.out.text();
    args["flop"] = event.flop;
    args["gflop_per_second"] = event.flop / static_cast<double>(std::max<std::int64_t>(event.end - event.start, 1));
  }
  if (event.kind == Kind::kNode) {
    args["node"] = event.node;
  }
  if (event.kind == Kind::kSpan && event.node != trace::kNoNode) {
    const auto number = trace::BucketNumber::from(event.node);
    args["bucket"] = number.bucket;
    if (number.model > 0) {
      args["model"] = number.model;
    }
  }
  if (event.kind == Kind::kPass) {
    args["work_us"] = event.work / 1e3;
    args["critical_path_us"] = event.critical / 1e3;
    args["parallelism_bound"] = event.critical > 0 ? event.work / event.critical : 1;
  } else if ((event.kind != Kind::kSpan && event.kind != Kind::kTask) || event.bytes > 0) {
    args["bytes"] = event.bytes;
  }
  return args;
}

/// The "traceEvents", one a line.
class Writer {
 public:
  Writer(std::string& text, int rank) : text_(text), rank_(rank) {}

  void metadata(const char* name, int row, const Json& args) {
    add({{"name", name}, {"ph", "M"}, {"pid", rank_}, {"tid", row}, {"args", args}});
  }

  void slice(const Event& event, int row) {
    add({{"name", event.name},
         {"cat", category(event.kind)},
         {"ph", "X"},
         {"pid", rank_},
         {"tid", row},
         {"ts", microseconds(event.start)},
         {"dur", microseconds(event.end - event.start)},
         {"args", arguments(event)}});
    add({{"name", "live tensors"},
         {"ph", "C"},
         {"pid", rank_},
         {"tid", row},
         {"ts", microseconds(event.end)},
         {"args", {{"bytes", event.live_bytes}}}});
  }

 private:
  void add(const Json& json) {
    text_ += first_ ? "\n" : ",\n";
    text_ += json.dump(-1, ' ', false, Json::error_handler_t::replace);
    first_ = false;
  }

  std::string& text_;
  int rank_;
  bool first_ = true;
};

}  // namespace

void write_trace(const std::string& path, std::span<const trace::ThreadEvents> threads, int rank) {
  std::string text = "{\"traceEvents\": [";
  Writer writer(text, rank);
  writer.metadata("process_name", 0, {{"name", to_text("rank ", rank)}});
  writer.metadata("process_sort_index", 0, {{"sort_index", rank}});
  std::uint64_t dropped = 0;
  for (const trace::ThreadEvents& thread : threads) {
    writer.metadata("thread_name", thread.row, {{"name", thread.name}});
    writer.metadata("thread_sort_index", thread.row, {{"sort_index", thread.row}});
    for (const Event& event : thread.events) {
      writer.slice(event, thread.row);
    }
    dropped += thread.dropped;
  }
  text += to_text("\n],\n\"displayTimeUnit\": \"ms\",\n\"otherData\": {\"dropped_events\": ", dropped, "}}\n");
  write_file_atomically(path, text);
}

}  // namespace backflow::io
