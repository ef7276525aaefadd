#include <backflow/train/loop/checkpoints.h>

#include <exception>
#include <utility>

#include <backflow/io/dump.h>
#include <backflow/io/run_directory.h>
#include <backflow/io/shared_dump.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/formatted.h>
#include <backflow/train/run/dump_ranks.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

Checkpoints::~Checkpoints() {
  try {
    writer_.wait();
    const std::optional<WriteEnd> end = writer_.take_end();
    if (under_way_ && end) {
      note(*under_way_, *end);
      warn_of(*end);
    }
  } catch (const std::exception&) {
    return;  // the run ends with an error of its own, which is what the user has to see
  }
}

bool Checkpoints::is_time() const {
  constexpr double kSeconds = 60;
  return options_.every_minutes > 0 && output_.files() != nullptr &&
         seconds_since(last_) >= kSeconds * options_.every_minutes;
}

void Checkpoints::prepare(std::int64_t steps) {
  const bool will_copy = (options_.every_steps > 0 && steps > options_.every_steps) || options_.every_minutes > 0;
  if (options_.async && !is_parallel() && will_copy && output_.files() != nullptr) {
    snapshot_.reserve(state_.shared());
  }
}

void Checkpoints::save() { write(Kind::Step, mode()); }

void Checkpoints::save_best() { write(Kind::Best, mode()); }

std::string Checkpoints::save_last() {
  write(Kind::Step, Mode::AtOnce);  // nothing goes on meanwhile, so no copy is needed
  return output_.files() != nullptr && last_error_.empty() ? output_.files()->newest() : "";
}

void Checkpoints::write(Kind kind, Mode mode) {
  const trace::Span span("checkpoint");
  if (is_parallel()) {
    last_ = Clock::now();
    write_together({.kind = kind});
    return;
  }
  if (output_.files() == nullptr) {
    state_.full();
    return;
  }
  Write next{.kind = kind, .wait_seconds = wait_for_write()};
  if (next.wait_seconds > 0 && mode == Mode::Async) {
    note_wait(next.wait_seconds);
  }
  look();
  if (mode == Mode::Async) {
    snapshot_.release();
  } else {
    snapshot_ = {};
  }
  last_ = Clock::now();
  write_alone(next, mode);
}

void Checkpoints::write_alone(Write next, Mode mode) {
  io::Dump dump = state_.full();
  next.step = dump.step;
  next.bytes = tensor_bytes(dump);
  next.copy_seconds = seconds_since(last_);
  const auto write_now = [this, next](const io::Dump& whole) {
    write_file(next, [&](const std::string& path) { io::write_dump(path, whole, options_.dump); });
  };
  forget_error(next.kind);
  if (mode == Mode::AtOnce) {
    judge(next, run_write([&] { write_now(dump); }));
    return;
  }
  const io::Dump& copy = snapshot_.take(std::move(dump));
  next.copy_seconds = seconds_since(last_);
  writer_.start([write_now, &copy] { write_now(copy); });
  under_way_ = next;
}

void Checkpoints::write_together(Write next) {
  const io::SharedDump share = state_.share();
  next.step = share.dump.step;
  next.bytes = tensor_bytes(share);
  next.copy_seconds = seconds_since(last_);
  forget_error(next.kind);
  WorldDumpRanks ranks(world_, timeout_s_);
  const auto write_part = [&](const std::string& path) { io::write_shared_dump(path, share, ranks); };
  judge(next, run_write([&] { output_.files() != nullptr ? write_file(next, write_part) : write_part(""); }));
}

void Checkpoints::write_file(const Write& write, const RunFiles::DumpWrite& write_to) {
  RunFiles& files = *output_.files();
  write.kind == Kind::Best ? files.best(write_to) : files.checkpoint(write.step, options_.keep_last, write_to);
}

void Checkpoints::forget_error(Kind kind) {
  if (kind == Kind::Best) {
    is_best_lost_ = false;
  } else {
    last_error_.clear();
  }
}

double Checkpoints::wait_for_write() {
  if (!writer_.is_busy()) {
    writer_.wait();
    return 0;
  }
  const Clock::time_point start = Clock::now();
  writer_.wait();
  return seconds_since(start);
}

void Checkpoints::note_wait(double seconds) {
  if (!std::exchange(has_waited_, true)) {
    output_.report().note(
        formatted("a dump has waited %.2f s for the one before: they come faster than they can be written, as "
                  "wait_seconds in metrics.jsonl tells of each; a larger checkpoint.every_steps avoids it",
                  seconds));
  }
}

void Checkpoints::look() {
  const std::optional<WriteEnd> end = writer_.take_end();
  if (end) {
    judge(*std::exchange(under_way_, std::nullopt), *end);
  }
}

void Checkpoints::judge(const Write& write, const WriteEnd& end) {
  note(write, end);
  if (end.error.empty()) {
    return;
  }
  const bool goes_on = options_.on_error == OnWriteError::Warn;
  if (is_parallel() && !goes_on) {
    throw SharedFailure(end.error, kFailed);
  }
  check(goes_on, end.error);
  warn_of(end);
}

void Checkpoints::note(const Write& write, const WriteEnd& end) {
  const bool is_best = write.kind == Kind::Best;
  io::MetricRecord record = {
      {"step", write.step},
      {"file", is_best ? std::string(io::RunDirectory::kBest) : io::RunDirectory::checkpoint_name(write.step)},
      {"bytes", write.bytes},
      {"wait_seconds", write.wait_seconds},
      {"copy_seconds", write.copy_seconds},
      {"write_seconds", end.seconds}};
  if (end.error.empty()) {
    output_.metric("checkpoint", record);
    return;
  }
  if (is_best) {
    is_best_lost_ = true;
  } else {
    last_error_ = end.error;
  }
  record.emplace_back("error", end.error);
  output_.metric("checkpoint_failed", record);
}

void Checkpoints::warn_of(const WriteEnd& end) {
  if (!end.error.empty() && output_.files() != nullptr) {
    output_.report().warn(end.error + "; training goes on, and the dump before stays the newest");
  }
}

}  // namespace backflow::train
