#pragma once

// One pass of a convolution as bare oneDNN primitives in the layouts that they like best, cut over the batch or not.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>
#include <time.h>

#include <backflow/bench/convolutions.h>
#include <backflow/bench/harness.h>
#include <backflow/bench/onednn_primitive.h>
#include <backflow/ops/kernels/onednn.h>

namespace bench {

/// How the batch is computed: by an OpenMP team inside one primitive, or in `chunks` primitives of one OpenMP thread
/// each, on as many threads of oneTBB.
struct Cut {
  int threads = 1;
  int chunks = 0;  ///< 0: an OpenMP team
};

/// Of one run, in milliseconds.
struct RunTimes {
  double wall = 0;
  /// What the threads would need if nothing else ran on the machine: their processor time over the number of those that
  /// have work. Of a team only where threads that wait sleep (OMP_WAIT_POLICY=passive).
  double processor = 0;
};

/// The operands of a pass with fixed random elements, and what computes it.
class ConvolutionPass {
 public:
  ConvolutionPass(const ConvolutionShape& shape, Pass pass, Cut cut,
                  dnnl::algorithm algorithm = dnnl::algorithm::convolution_direct)
      : pass_(pass), cut_(cut), arena_(cut.threads) {
    if (shape.batch % chunks() != 0) {
      return;
    }
    omp_set_num_threads(cut.chunks == 0 ? cut.threads : 1);
    primitive_ = ConvolutionMaker(shape, shape.batch / chunks(), algorithm).make(pass);
    if (is_empty()) {
      return;
    }
    arguments_.resize(chunks());
    processor_ms_.resize(chunks());
    fill(primitive_.inputs[0], 1);
    fill(primitive_.inputs[1], 2);
    for (std::size_t i = 0; i < chunks(); ++i) {
      results_.emplace_back(primitive_.result.layout, cpu());
      arguments_[i][primitive_.result.argument] = results_.back();
    }
    for (int i = 0; i < cut.threads; ++i) {
      scratchpads_.emplace_back(primitive_.scratchpad, cpu());
      streams_.emplace_back(cpu());
    }
  }

  /// Whether oneDNN has no such algorithm, or the batch cannot be cut so.
  bool is_empty() const { return !primitive_.primitive; }
  const std::string& implementation() const { return primitive_.implementation; }

  /// What it needs beside its operands: oneDNN's buffers, and the partial sums of gradients of the weights.
  double extra_bytes() const {
    const auto buffers = cut_.chunks == 0 ? 1 : std::min(cut_.threads, cut_.chunks);
    const std::size_t sums = pass_ == Pass::BackwardWeights ? chunks() - 1 : 0;
    return static_cast<double>(primitive_.scratchpad.get_size()) * buffers +
           static_cast<double>(primitive_.result.layout.get_size() * sums);
  }

  RunTimes run() {
    const auto start = Clock::now();
    if (cut_.chunks == 0) {
      const double before = processor_ms(CLOCK_PROCESS_CPUTIME_ID);
      omp_set_num_threads(cut_.threads);
      execute(0, 0);
      return {microseconds(start, Clock::now()) / 1000,
              (processor_ms(CLOCK_PROCESS_CPUTIME_ID) - before) / cut_.threads};
    }
    arena_.execute([this] {
      oneapi::tbb::parallel_for(
          std::size_t{0}, chunks(),
          [this](std::size_t i) {
            const backflow::kernels::SingleOpenMpThread one;
            const double before = processor_ms();
            execute(i, oneapi::tbb::this_task_arena::current_thread_index());
            processor_ms_[i] = processor_ms() - before;
          },
          oneapi::tbb::simple_partitioner());
    });
    const double sums = pass_ == Pass::BackwardWeights ? add_partial_sums() : 0;
    const double all = std::accumulate(processor_ms_.begin(), processor_ms_.end(), 0.0);
    return {microseconds(start, Clock::now()) / 1000, all / std::min(cut_.threads, cut_.chunks) + sums};
  }

  /// The elements of the result in the plain layout.
  std::vector<float> result() const {
    const auto [argument, layout, sizes] = primitive_.result;
    const std::size_t parts = pass_ == Pass::BackwardWeights ? 1 : chunks();
    const auto n = static_cast<std::size_t>(count(sizes));
    std::vector<float> elements(parts * n);
    for (std::size_t i = 0; i < parts; ++i) {
      dnnl::memory plain(plain_layout(sizes), cpu(), elements.data() + i * n);
      copy(results_[i], plain);
    }
    return elements;
  }

 private:
  using Arguments = std::unordered_map<int, dnnl::memory>;

  std::size_t chunks() const { return static_cast<std::size_t>(std::max(cut_.chunks, 1)); }

  static std::int64_t count(const dnnl::memory::dims& sizes) {
    return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
  }

  static dnnl::memory::desc plain_layout(const dnnl::memory::dims& sizes) {
    return {sizes, dnnl::memory::data_type::f32, dnnl::memory::format_tag::abcd};
  }

  static void copy(const dnnl::memory& from, const dnnl::memory& to) {
    dnnl::stream stream(cpu());
    dnnl::memory source = from;
    dnnl::memory target = to;
    dnnl::reorder(source, target).execute(stream, source, target);
    stream.wait();
  }

  static double processor_ms(clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
    timespec time{};
    clock_gettime(clock, &time);
    return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
  }

  /// The same elements however the batch is cut; the weights are shared by the chunks.
  void fill(const ConvolutionPrimitive::Operand& operand, unsigned seed) {
    const bool shared = operand.argument == DNNL_ARG_WEIGHTS;
    const std::int64_t n = count(operand.sizes);
    std::minstd_rand random(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> elements(static_cast<std::size_t>(n) * (shared ? 1 : chunks()));
    std::generate(elements.begin(), elements.end(), [&] { return uniform(random); });
    for (std::size_t i = 0; i < chunks(); ++i) {
      if (shared && i > 0) {
        arguments_[i][operand.argument] = arguments_[0][operand.argument];
        continue;
      }
      dnnl::memory memory(operand.layout, cpu());
      copy({plain_layout(operand.sizes), cpu(), elements.data() + i * static_cast<std::size_t>(n)}, memory);
      arguments_[i][operand.argument] = memory;
    }
  }

  void execute(std::size_t chunk, int thread) {
    Arguments arguments = arguments_[chunk];
    arguments[DNNL_ARG_SCRATCHPAD] = scratchpads_[static_cast<std::size_t>(thread)];
    primitive_.primitive.execute(streams_[static_cast<std::size_t>(thread)], arguments);
    streams_[static_cast<std::size_t>(thread)].wait();
  }

  /// Adds the chunks' gradients of the weights to the first one's; returns their time as RunTimes::processor has it.
  double add_partial_sums() {
    constexpr std::size_t kBlock = 16384;
    const std::size_t n = primitive_.result.layout.get_size() / sizeof(float);
    const std::size_t blocks = (n + kBlock - 1) / kBlock;
    if (chunks() == 1) {
      return 0;
    }
    std::vector<double> times(blocks);
    arena_.execute([&] {
      oneapi::tbb::parallel_for(std::size_t{0}, blocks, [&](std::size_t block) {
        const double before = processor_ms();
        auto* sum = static_cast<float*>(results_[0].get_data_handle());
        for (std::size_t i = 1; i < chunks(); ++i) {
          const auto* part = static_cast<const float*>(results_[i].get_data_handle());
          for (std::size_t j = block * kBlock; j < std::min(n, (block + 1) * kBlock); ++j) {
            sum[j] += part[j];
          }
        }
        times[block] = processor_ms() - before;
      });
    });
    return std::accumulate(times.begin(), times.end(), 0.0) /
           std::min<double>(cut_.threads, static_cast<double>(blocks));
  }

  Pass pass_;
  Cut cut_;
  ConvolutionPrimitive primitive_;
  std::vector<Arguments> arguments_;       // of each chunk
  std::vector<dnnl::memory> results_;      // of each chunk
  std::vector<dnnl::memory> scratchpads_;  // of each thread
  std::vector<dnnl::stream> streams_;      // of each thread
  std::vector<double> processor_ms_;       // of each chunk, in the last run
  oneapi::tbb::task_arena arena_;
};

}  // namespace bench
