#include <backflow/train/report/server.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <httplib.h>

#include <backflow/runtime/base/error.h>
#include <backflow/train/report/page.h>
#include <backflow/train/report/report_data.h>
#include <backflow/train/run/stop_signal.h>

namespace backflow::train {
namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* kHost = "127.0.0.1";

/// The newest data, read again at most once a second however many pages ask. Thread-safe.
class LiveData {
 public:
  explicit LiveData(std::vector<std::string> paths) : paths_(std::move(paths)) { refresh(); }

  struct State {
    std::int64_t version;
    std::string json;
  };
  /// Nothing when `since` is the newest version.
  std::optional<State> newer_than(std::int64_t since) {
    const std::lock_guard lock(mutex_);
    if (Clock::now() - read_ >= std::chrono::seconds(1)) {
      refresh();
    }
    return since == version_ ? std::nullopt : std::optional(State{version_, json_});
  }

 private:
  void refresh() {
    std::vector<std::string> directories = run_directories(paths_);
    const bool other = data_ == nullptr || directories != directories_;
    if (other) {
      data_ = std::make_unique<ReportData>(directories);
      directories_ = std::move(directories);
    }
    if (data_->update() || other) {
      json_ = data_->json();
      ++version_;
    }
    read_ = Clock::now();
  }

  const std::vector<std::string> paths_;
  std::mutex mutex_;
  std::vector<std::string> directories_;
  std::unique_ptr<ReportData> data_;
  std::string json_;
  std::int64_t version_ = 0;
  Clock::time_point read_;
};

void answer_data(LiveData& live, const httplib::Request& request, httplib::Response& response) {
  const std::string since = request.get_param_value("since");
  const auto state = live.newer_than(std::strtoll(since.c_str(), nullptr, 10));
  response.set_header("Cache-Control", "no-store");
  if (!state) {
    response.status = 204;
    return;
  }
  response.set_header("Backflow-Version", std::to_string(state->version));
  response.set_content(state->json, "application/json");
}

/// Calls `answer`; a file that cannot be read is told to who asks.
template <class Answer>
void guarded(httplib::Response& response, const Answer& answer) {
  try {
    answer();
  } catch (const std::exception& error) {
    response.status = 500;
    response.set_content(error.what(), "text/plain; charset=utf-8");
  }
}

void add_routes(httplib::Server& server, LiveData& live, int port) {
  server.set_pre_routing_handler([port](const httplib::Request& request, httplib::Response& response) {
    const std::string host = request.get_header_value("Host");
    if (host == to_text(kHost, ':', port) || host == to_text("localhost:", port)) {
      return httplib::Server::HandlerResponse::Unhandled;
    }
    response.status = 403;
    return httplib::Server::HandlerResponse::Handled;
  });
  server.Get("/", [&live](const httplib::Request&, httplib::Response& response) {
    guarded(response, [&] {
      response.set_header("Cache-Control", "no-store");
      response.set_content(report_page(live.newer_than(-1)->json, PageMode::Follow), "text/html; charset=utf-8");
    });
  });
  server.Get("/data", [&live](const httplib::Request& request, httplib::Response& response) {
    guarded(response, [&] { answer_data(live, request, response); });
  });
}

}  // namespace

void serve_report(const std::vector<std::string>& paths, int port, const std::function<void(const std::string&)>& say) {
  LiveData live(paths);
  httplib::Server server;
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kMostRequest = 4096;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_payload_max_length(kMostRequest);
  server.set_keep_alive_timeout(2);
  const int bound = port > 0 ? (server.bind_to_port(kHost, port) ? port : -1) : server.bind_to_any_port(kHost);
  check(bound > 0, "report: cannot listen at ", kHost, ":", port, ": need another --port, or none for a free one");
  add_routes(server, live, bound);
  say(to_text("http://", kHost, ":", bound, "/"));
  std::thread listening([&server] { server.listen_after_bind(); });
  while (!stop_requested()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  server.stop();
  listening.join();
}

}  // namespace backflow::train
