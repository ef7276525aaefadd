// What oneDNN alone needs for the convolutions of a network, with nothing around them: each in its own best layout,
// forward, backward to its data (but for the first) and backward to its weights, in float32.
//
//   bench_onednn_limit NETWORK THREADS            commands on standard input as bench/harness.h says; a step is the
//                                                 sum over the network, with an OpenMP team of THREADS
//   bench_onednn_limit NETWORK THREADS --each     the time of each convolution
//   bench_onednn_limit NETWORK THREADS --chunks 1,2,4 [--winograd] [--rounds N]
//                                                 the same, with the batch cut into so many pieces of one thread each
// Instead of a network, one convolution: BATCH,IN,OUT,SIZE,KERNEL,STRIDE, as 32,64,64,32,3,1.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/bench/convolutions.h>
#include <backflow/bench/harness.h>
#include <backflow/bench/onednn_convolution.h>

namespace {

using bench::ConvolutionPass;
using bench::ConvolutionShape;
using bench::Cut;
using bench::Pass;

struct Options {
  std::vector<ConvolutionShape> shapes;
  int threads = 1;
  std::vector<int> chunks;
  bool winograd = false;
  int rounds = 15;
};

std::vector<Pass> passes_of(const ConvolutionShape& shape) {
  return shape.has_data_gradient ? std::vector{Pass::Forward, Pass::BackwardData, Pass::BackwardWeights}
                                 : std::vector{Pass::Forward, Pass::BackwardWeights};
}

/// All convolutions of the network once: as often as the network has each.
bench::Workload network(const Options& options) {
  struct Entry {
    ConvolutionPass pass;
    int count;
    bool is_forward;
  };
  const auto entries = std::make_shared<std::vector<std::unique_ptr<Entry>>>();
  for (const ConvolutionShape& shape : options.shapes) {
    for (const Pass pass : passes_of(shape)) {
      entries->push_back(std::make_unique<Entry>(
          Entry{ConvolutionPass(shape, pass, {.threads = options.threads}), shape.count, pass == Pass::Forward}));
    }
  }
  return {.step =
              [entries] {
                bench::Times times;
                for (const auto& entry : *entries) {
                  for (int i = 0; i < entry->count; ++i) {
                    (entry->is_forward ? times.forward : times.backward) += 1000 * entry->pass.run().wall;
                  }
                }
                return times;
              },
          .check = [] { return std::vector<double>{}; }};
}

/// One way to compute a pass, and its times.
struct Alternative {
  std::string name;
  ConvolutionPass pass;
  std::vector<double> wall{};
  std::vector<double> processor{};
};

/// The largest difference, relative to the root of the mean square of `exact`.
double relative_error(const std::vector<float>& values, const std::vector<float>& exact) {
  double largest = 0;
  double squares = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(values[i]) - static_cast<double>(exact[i])));
    squares += static_cast<double>(exact[i]) * static_cast<double>(exact[i]);
  }
  return largest / std::sqrt(squares / static_cast<double>(exact.size()));
}

std::vector<std::unique_ptr<Alternative>> alternatives(const ConvolutionShape& shape, Pass pass,
                                                       const Options& options) {
  std::vector<std::unique_ptr<Alternative>> all;
  const auto add = [&](const std::string& name, Cut cut, dnnl::algorithm algorithm) {
    auto alternative = std::make_unique<Alternative>(Alternative{name, ConvolutionPass(shape, pass, cut, algorithm)});
    if (!alternative->pass.is_empty()) {
      all.push_back(std::move(alternative));
    }
  };
  const auto add_cuts = [&](const std::string& prefix, dnnl::algorithm algorithm) {
    add(prefix + "team", {options.threads}, algorithm);
    for (const int chunks : options.chunks) {
      add(prefix + std::to_string(chunks), {options.threads, chunks}, algorithm);
    }
  };
  add_cuts("", dnnl::algorithm::convolution_direct);
  if (options.winograd) {
    add_cuts("w", dnnl::algorithm::convolution_winograd);
  }
  return all;
}

/// The alternatives by turns, so that all meet the same load of the machine; the first turn warms up.
void time_by_turns(std::vector<std::unique_ptr<Alternative>>& all, int rounds) {
  for (int round = 0; round <= rounds; ++round) {
    for (auto& alternative : all) {
      const bench::RunTimes times = alternative->pass.run();
      if (round > 0) {
        alternative->wall.push_back(times.wall);
        alternative->processor.push_back(times.processor);
      }
    }
  }
}

void list(const Options& options) {
  std::printf("%-26s %-16s %-6s %9s %9s %9s %9s %9s %9s  %s\n", "convolution", "pass", "cut", "least ms", "median",
              "cpu ms", "GFLOP/s", "error", "extra MB", "implementation");
  for (const ConvolutionShape& shape : options.shapes) {
    for (const Pass pass : passes_of(shape)) {
      auto all = alternatives(shape, pass, options);
      time_by_turns(all, options.rounds);
      const std::vector<float> exact = all.front()->pass.result();
      for (const auto& a : all) {
        const double least = *std::min_element(a->wall.begin(), a->wall.end());
        std::printf("%-26s %-16s %-6s %9.3f %9.3f %9.3f %9.1f %9.1e %9.1f  %s\n",
                    (std::to_string(shape.count) + " x " + shape.name()).c_str(), name_of(pass), a->name.c_str(), least,
                    bench::median(a->wall), bench::median(a->processor), shape.flop() / least / 1e6,
                    relative_error(a->pass.result(), exact), a->pass.extra_bytes() / 1e6,
                    a->pass.implementation().c_str());
      }
      std::fflush(stdout);
    }
  }
}

std::vector<int> numbers(const std::string& text) {
  std::vector<int> all;
  std::istringstream stream(text);
  for (std::string number; std::getline(stream, number, ',');) {
    all.push_back(std::max(std::atoi(number.c_str()), 1));
  }
  return all;
}

/// Of a network, or of the one convolution that the text describes; none if it is neither.
std::vector<ConvolutionShape> shapes_of(const std::string& text) {
  ConvolutionShape one{};
  one.count = 1;
  if (std::sscanf(text.c_str(), "%ld,%ld,%ld,%ld,%ld,%ld", &one.batch, &one.in, &one.out, &one.size, &one.kernel,
                  &one.stride) == 6) {
    const bool is_valid = std::min({one.batch, one.in, one.out, one.size, one.kernel, one.stride}) > 0;
    return is_valid ? std::vector{one} : std::vector<ConvolutionShape>{};
  }
  return bench::convolutions_of(text);
}

int run(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  Options options{.shapes = shapes_of(arguments.workload), .threads = arguments.threads, .chunks = {}};
  bool serves = true;
  for (int i = 3; i < argc; ++i) {
    const std::string option = argv[i];
    serves = serves && !option.starts_with("--");
    options.winograd = options.winograd || option == "--winograd";
    if (option == "--chunks" && i + 1 < argc) {
      options.chunks = numbers(argv[++i]);
    } else if (option == "--rounds" && i + 1 < argc) {
      options.rounds = std::max(std::atoi(argv[++i]), 1);
    } else if (option.starts_with("--") && option != "--each" && option != "--winograd") {
      std::fprintf(stderr, "bench_onednn_limit: unknown option %s: need --each, --chunks, --winograd or --rounds\n",
                   option.c_str());
      return 2;
    }
  }
  if (options.shapes.empty()) {
    std::fprintf(stderr,
                 "bench_onednn_limit: no convolutions of '%s': need resnet18, inception, lenet or six numbers\n",
                 arguments.workload.c_str());
    return 2;
  }
  return serves ? bench::serve(network(options)) : (list(options), 0);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_onednn_limit: %s\n", error.what());
    return 1;
  }
}
