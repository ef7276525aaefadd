#include <backflow/train/views/progress.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

#include <backflow/runtime/base/error.h>
#include <backflow/train/views/terminal.h>

namespace backflow::train {
namespace {

using namespace std::chrono_literals;

std::string duration(double seconds) {
  const auto s = static_cast<long long>(std::llround(std::clamp(seconds, 0.0, 1e9)));
  char text[64];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  }
  return text;
}

/// The parts of a progress line from left to right.
enum Part : std::size_t { kEpoch, kStep, kLoss, kRate, kLeft, kParts };
using Parts = std::array<std::string, kParts>;

Parts parts_of(const Progress::State& s, double seconds_left) {
  char loss[64];
  char rate[64];
  std::snprintf(loss, sizeof loss, "loss %.4f", s.loss);
  std::snprintf(rate, sizeof rate, "%.0f samples/s", s.samples_per_second);
  return {to_text("epoch ", s.epoch, '/', s.epochs), to_text("step ", s.step, '/', s.steps), loss, rate,
          "ETA " + duration(seconds_left)};
}

std::string joined(const Parts& parts) {
  std::string text;
  for (const std::string& part : parts) {
    text += (text.empty() || part.empty() ? "" : "  ") + part;
  }
  return text;
}

double fraction_of(const Progress::State& s) {
  return static_cast<double>(s.step) / static_cast<double>(std::max<std::int64_t>(s.steps, 1));
}

}  // namespace

Progress::Mode Progress::mode_for(int rank, Verbosity verbosity) {
  if (rank != 0 || verbosity == Verbosity::Quiet) {
    return Mode::Quiet;
  }
  const char* terminal = std::getenv("TERM");
  const bool draws = isatty(STDERR_FILENO) != 0 && terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
  return draws ? Mode::Bar : Mode::Lines;
}

double Progress::seconds_left(const State& state, std::int64_t first_step, double elapsed) {
  const auto done = static_cast<double>(state.step - first_step);
  return done > 0 ? elapsed * static_cast<double>(state.steps - state.step) / done : 0;
}

std::string Progress::describe(const State& state, double seconds_left) {
  return joined(parts_of(state, seconds_left));
}

std::string Progress::bar(double fraction, std::size_t width) {
  const double filled = std::clamp(fraction, 0.0, 1.0) * static_cast<double>(width);
  const auto n = static_cast<std::size_t>(std::lround(filled));
  return "[" + std::string(n, '#') + std::string(width - n, '-') + "]";
}

std::string Progress::fitted(const State& state, double seconds_left, std::size_t columns) {
  constexpr std::size_t kWidest = 20;
  constexpr std::size_t kNarrowest = 6;
  constexpr std::size_t kAround = 3;  // the frame of the bar and a space
  const std::size_t room = std::max<std::size_t>(columns, 1) - 1;
  Parts parts = parts_of(state, seconds_left);
  for (const Part least : {kRate, kEpoch, kLoss, kLeft}) {
    const std::string text = joined(parts);
    if (text.size() + kAround + kNarrowest <= room) {
      return bar(fraction_of(state), std::min(kWidest, room - text.size() - kAround)) + " " + text;
    }
    if (text.size() <= room) {
      return text;
    }
    parts[least].clear();
  }
  return joined(parts).substr(0, room);
}

void Progress::start(std::int64_t first_step) {
  first_step_ = first_step;
  start_ = last_ = Clock::now();
}

void Progress::update(const State& state) {
  const auto now = Clock::now();
  const auto interval = mode_ == Mode::Bar ? 100ms : 2000ms;
  if (mode_ == Mode::Quiet || (now - last_ < interval && state.step != state.steps)) {
    return;
  }
  last_ = now;
  const double left = seconds_left(state, first_step_, std::chrono::duration<double>(now - start_).count());
  if (mode_ == Mode::Lines) {
    line(describe(state, left));
  } else {
    draw(state, left);
  }
}

void Progress::draw(const State& state, double seconds_left) {
  const std::size_t columns = terminal_columns(STDERR_FILENO);
  const std::string text = fitted(state, seconds_left, columns);
  // At once, so that nothing flickers. A terminal may tell its new width after it has changed: without wrapping, what
  // is too long for it stays in one line.
  std::fputs(to_text(erasure(columns), "\033[?7l", text, "\033[?7h").c_str(), stderr);
  drawn_ = text.size();
}

void Progress::line(const std::string& text) {
  if (mode_ != Mode::Quiet) {
    result(text);
  }
}

void Progress::result(const std::string& text) {
  clear();
  if (output_error_ == 0 && (std::fprintf(stdout, "%s\n", text.c_str()) < 0 || std::fflush(stdout) != 0)) {
    output_error_ = errno;
  }
}

void Progress::warning(const std::string& text) {
  clear();
  std::fprintf(stderr, "%s\n", text.c_str());
}

std::string Progress::take_loss_of_output() {
  if (output_error_ == 0 || loss_was_told_) {
    return "";
  }
  loss_was_told_ = true;
  return to_text("standard output: cannot write: ", std::strerror(output_error_), ": nothing more is printed");
}

/// What takes the bar off the screen. A terminal that became narrower has broken it into several lines; the cursor is
/// in the last one. Each is cleared by itself: at "clear all below" tmux keeps what was there in its history.
std::string Progress::erasure(std::size_t columns) const {
  if (drawn_ == 0) {
    return "";
  }
  std::string text = "\r\033[K";
  for (std::size_t above = (drawn_ - 1) / std::max<std::size_t>(columns, 1); above > 0; --above) {
    text += "\033[A\033[K";
  }
  return text;
}

void Progress::clear() {
  if (drawn_ > 0) {
    std::fputs(erasure(terminal_columns(STDERR_FILENO)).c_str(), stderr);
    drawn_ = 0;
  }
}

}  // namespace backflow::train
