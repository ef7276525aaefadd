#pragma once

// What the programs of scripts/bench.py have in common, ours and the peers in C++. The driver starts one process per
// side and thread count, and sends it commands, a line each; the process answers each with one line of JSON:
//
//   check            {"values": [...]}          numbers that all sides must agree on; always from the same start
//   losses N DTYPE   {"values": [...]}          of the first N steps in f32 or f64, if the workload is a training
//   time SECONDS     {"steps": n, "step_us": median, "forward_us": ..., "backward_us": ...}
//   reference SECONDS  the same of what the workload is held against in its own process, if it has such a thing
//   peak             {"peak_mb": ...}           the most memory that the process has had resident, or that the workload
//   says
//
// While one side computes the others wait for their next command, so that sides are measured by turns in one run.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

inline double microseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}

/// Of one step, in microseconds.
struct Times {
  double forward = 0;
  double backward = 0;
};

/// Not getrusage: that would count what the process was before exec.
inline double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) {
      return std::strtod(line.c_str() + 6, nullptr) / 1024;
    }
  }
  return 0;
}

struct Workload {
  std::function<Times()> step;                 ///< one training step
  std::function<std::vector<double>()> check;  ///< starts anew and returns the numbers to compare
  std::function<double()> peak_megabytes = bench::peak_megabytes;
  std::function<void()> reference = nullptr;
  /// Starts anew in "f32" or "f64" and returns the losses of so many steps.
  std::function<std::vector<double>(int steps, const std::string& dtype)> losses = nullptr;
};

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Steps for so many seconds, at least one. A step's time is that of the whole call: what it frees is in it.
inline void time_steps(const std::function<Times()>& step, double seconds) {
  std::vector<double> whole;
  std::vector<double> forward;
  std::vector<double> backward;
  const auto start = Clock::now();
  for (auto end = start; whole.empty() || microseconds(start, end) < seconds * 1e6;) {
    const auto begin = Clock::now();
    const Times times = step();
    end = Clock::now();
    whole.push_back(microseconds(begin, end));
    forward.push_back(times.forward);
    backward.push_back(times.backward);
  }
  std::printf("{\"steps\": %zu, \"step_us\": %.4f, \"forward_us\": %.4f, \"backward_us\": %.4f}\n", whole.size(),
              median(whole), median(forward), median(backward));
}

inline void print_values(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) {
    char number[40];
    std::snprintf(number, sizeof number, "%s%.17g", text.empty() ? "" : ", ", value);
    text += number;
  }
  std::printf("{\"values\": [%s]}\n", text.c_str());
}

/// Answers the driver's commands until there are no more.
inline int serve(const Workload& workload) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "check") {
      print_values(workload.check());
    } else if (command == "losses" && workload.losses) {
      int steps = 0;
      std::string dtype;
      words >> steps >> dtype;
      print_values(workload.losses(steps, dtype));
    } else if (command == "time" || (command == "reference" && workload.reference)) {
      double seconds = 0;
      words >> seconds;
      const auto reference = [&] { return workload.reference(), Times{}; };
      command == "time" ? time_steps(workload.step, seconds) : time_steps(reference, seconds);
    } else if (command == "peak") {
      std::printf("{\"peak_mb\": %.1f}\n", workload.peak_megabytes());
    } else {
      std::fprintf(stderr, "unknown command '%s': need check, losses, time or peak\n", line.c_str());
      return 2;
    }
    std::fflush(stdout);
  }
  return 0;
}

struct Arguments {
  std::string workload;
  int threads = 1;
  std::string data;  ///< the folder that our side writes initial values to, and the peers read them from
};

/// WORKLOAD THREADS [DATA]
inline Arguments parse(int argc, char** argv) {
  if (argc < 3 || std::atoi(argv[2]) < 1) {
    std::fprintf(stderr, "usage: %s WORKLOAD THREADS [DATA]\n", argv[0]);
    std::exit(2);
  }
  return {argv[1], std::atoi(argv[2]), argc > 3 ? argv[3] : ""};
}

}  // namespace bench
