// Our side of scripts/bench.sh: WORKLOAD THREADS [DATA], then commands on standard input as bench/harness.h says. By
// hand:
//   echo 'time 2' | build/release/bin/bench_workloads chain1000 1
#include <cmath>
#include <filesystem>
#include <memory>
#include <utility>

#include <backflow/nn/models.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/ops/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/error.h>
#include <backflow/runtime/grad_mode.h>
#include <backflow/runtime/philox.h>
#include <backflow/runtime/threads.h>

namespace torch = backflow;

#include <backflow/bench/npy.h>
#include <backflow/bench/small_ops.h>

namespace {

using backflow::Tensor;
using bench::Clock;

/// Uniform in [-bound, bound), from a stream of its own.
Tensor uniform(backflow::IntArrayRef sizes, double bound, std::uint64_t stream) {
  Tensor x = backflow::empty(sizes);
  backflow::PhiloxStream random(1, stream);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data_ptr<float>()[i] = static_cast<float>(bound * (2 * random.uniform() - 1));
  }
  return x;
}

Tensor classes(std::int64_t rows, std::uint64_t bound, std::uint64_t stream) {
  Tensor t = backflow::empty({rows}, backflow::kInt64);
  backflow::PhiloxStream random(1, stream);
  for (std::int64_t i = 0; i < rows; ++i) {
    t.data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>(random.below(bound));
  }
  return t;
}

/// The multilayer perceptron 784-1024-1024-10 on a batch of 128; SGD with momentum.
class Mlp {
 public:
  Mlp() {
    std::uint64_t stream = 2;
    for (const auto& parameter : model_->named_parameters()) {
      const Tensor& p = parameter.value();
      const double bound = p.dim() == 2 ? 1 / std::sqrt(static_cast<double>(p.size(1))) : 0.03;
      const backflow::NoGradGuard guard;
      p.copy_(uniform(p.sizes(), bound, stream++));
    }
  }

  /// Writes the parameters, as PyTorch's Sequential names them, and the batch.
  void dump(const std::string& folder) const {
    for (const auto& parameter : model_->named_parameters()) {
      bench::write_npy(folder + "/" + parameter.key() + ".npy", parameter.value());
    }
    bench::write_npy(folder + "/x.npy", x_);
    bench::write_npy(folder + "/t.npy", t_);
  }

  double step(bench::Times* times = nullptr) {
    const auto t0 = Clock::now();
    const Tensor loss = cross_entropy_loss(model_(x_), t_);
    const auto t1 = Clock::now();
    optimizer_.zero_grad();
    loss.backward();
    const auto t2 = Clock::now();
    optimizer_.step();
    if (times != nullptr) {
      *times = {bench::microseconds(t0, t1), bench::microseconds(t1, t2)};
      return 0;
    }
    return loss.item<double>();
  }

 private:
  backflow::nn::MLP model_{784, 1024, 1024, 10};
  backflow::optim::SGD optimizer_{model_->parameters(), backflow::optim::SGDOptions(0.01).momentum(0.9)};
  Tensor x_ = uniform({128, 784}, 1.7, 0);
  Tensor t_ = classes(128, 10, 1);
};

/// A model with `dump` and `step`: the numbers to compare are the losses of its first three steps.
template <class Model>
bench::Workload model_workload(const std::string& data) {
  if (!data.empty()) {
    std::filesystem::create_directories(data);
    Model().dump(data);
  }
  return {
      .step =
          [model = std::make_shared<Model>()] {
            bench::Times times;
            model->step(&times);
            return times;
          },
      .check =
          [] {
            Model model;
            std::vector<double> losses;
            for (int i = 0; i < 3; ++i) {
              losses.push_back(model.step());
            }
            return losses;
          },
  };
}

int run(const bench::Arguments& arguments) {
  backflow::set_num_threads(arguments.threads);
  bench::Workload workload;
  if (arguments.workload == "mlp") {
    workload = model_workload<Mlp>(arguments.data);
  } else if (!bench::find_small(arguments.workload, workload)) {
    std::fprintf(stderr, "bench_workloads: no workload '%s'\n", arguments.workload.c_str());
    return 2;
  }
  return bench::serve(workload);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(bench::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_workloads: %s\n", error.what());
    return 1;
  }
}
