#include <backflow/train/progress.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <unistd.h>

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

}  // namespace

Progress::Mode Progress::mode_for(int rank) {
  if (rank != 0) {
    return Mode::Quiet;
  }
  return isatty(STDERR_FILENO) != 0 ? Mode::Bar : Mode::Lines;
}

std::string Progress::describe(const State& s, double seconds_left) {
  char text[256];
  std::snprintf(text, sizeof text, "epoch %lld/%lld  step %lld/%lld  loss %.4f  %.0f samples/s  ETA ",
                static_cast<long long>(s.epoch), static_cast<long long>(s.epochs), static_cast<long long>(s.step),
                static_cast<long long>(s.steps), s.loss, s.samples_per_second);
  return text + duration(seconds_left);
}

std::string Progress::bar(double fraction, int width) {
  const int filled = static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * width));
  return "[" + std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(width - filled), '-') + "]";
}

void Progress::update(const State& state) {
  const auto now = Clock::now();
  const auto interval = mode_ == Mode::Bar ? 100ms : 2000ms;
  if (mode_ == Mode::Quiet || (now - last_ < interval && state.step != state.steps)) {
    return;
  }
  last_ = now;
  const double fraction = static_cast<double>(state.step) / static_cast<double>(std::max<std::int64_t>(state.steps, 1));
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double left = fraction > 0 ? elapsed * (1 - fraction) / fraction : 0;
  if (mode_ == Mode::Lines) {
    std::fprintf(stdout, "%s\n", describe(state, left).c_str());
    std::fflush(stdout);
    return;
  }
  constexpr int kBarWidth = 20;
  std::fprintf(stderr, "\r\033[K%s %s", bar(fraction, kBarWidth).c_str(), describe(state, left).c_str());
  std::fflush(stderr);
  bar_is_drawn_ = true;
}

void Progress::line(const std::string& text) {
  if (mode_ == Mode::Quiet) {
    return;
  }
  clear();
  std::fprintf(stdout, "%s\n", text.c_str());
  std::fflush(stdout);
}

void Progress::clear() {
  if (bar_is_drawn_) {
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    bar_is_drawn_ = false;
  }
}

}  // namespace backflow::train
