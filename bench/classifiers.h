#pragma once

// Networks that are trained on one batch with cross-entropy, and SGD with momentum.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/bench/harness.h>
#include <backflow/bench/npy.h>
#include <backflow/bench/random.h>
#include <backflow/nn/functional.h>
#include <backflow/nn/models.h>
#include <backflow/nn/modules/branches.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/ops/winograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/trace/trace.h>

namespace bench {

/// The multilayer perceptron 784-1024-1024-10 on a batch of 128.
struct Mlp {
  static backflow::DimVector input() { return {128, 784}; }
  static backflow::nn::MLP make() { return backflow::nn::MLP(784, 1024, 1024, 10); }
};

/// Eight towers 256-256-256-256 side by side, summed, and a last layer; PyTorch's Towers, parameter names included.
struct TowersImpl : backflow::nn::Module {
  TowersImpl() {
    namespace nn = backflow::nn;
    for (int i = 0; i < 8; ++i) {
      towers->push_back(
          nn::Sequential(nn::Linear(256, 256), nn::ReLU(), nn::Linear(256, 256), nn::ReLU(), nn::Linear(256, 256)));
    }
    register_module("t", towers);
    register_module("out", out);
  }
  backflow::Tensor forward(const backflow::Tensor& x) const { return out(towers(x)); }

  backflow::nn::Branches towers;
  backflow::nn::Linear out{256, 10};
};

struct Towers {
  static backflow::DimVector input() { return {32, 256}; }
  static backflow::nn::ModuleHolder<TowersImpl> make() { return {}; }
};

struct LeNet {
  static backflow::DimVector input() { return {64, 1, 28, 28}; }
  static backflow::nn::LeNet make() { return {}; }
};

struct Inception {
  static backflow::DimVector input() { return {16, 3, 32, 32}; }
  static backflow::nn::InceptionNet make() { return {}; }
};

struct ResNet18 {
  static backflow::DimVector input() { return {32, 3, 32, 32}; }
  static backflow::nn::ResNet18 make() { return {}; }
};

/// The same with Winograd's algorithm where oneDNN has it.
struct WinogradResNet18 : ResNet18 {
  static backflow::nn::ResNet18 make() {
    backflow::set_winograd(true);
    return {};
  }
};

/// For comparisons alone: an eighth of the channels.
struct SmallResNet18 {
  static backflow::DimVector input() { return {4, 3, 32, 32}; }
  static backflow::nn::ResNet18 make() { return backflow::nn::ResNet18(10, 8); }
};

/// From fixed streams: the same numbers in every dtype, and in every process.
inline void set_initial_values(backflow::nn::Module& model) {
  std::uint64_t stream = 2;
  for (const auto& parameter : model.named_parameters()) {
    const backflow::Tensor& p = parameter.value();
    const backflow::NoGradGuard guard;
    if (p.dim() >= 2) {
      const std::int64_t inputs = p.numel() / p.size(0);
      p.copy_(uniform(p.sizes(), 1 / std::sqrt(static_cast<double>(inputs)), stream++));
    } else {  // the weight of a normalization is about 1
      p.copy_(uniform(p.sizes(), 0.03, stream++) + (parameter.key().ends_with("weight") ? 1 : 0));
    }
  }
}

/// Ten classes, parameters and batch from fixed streams: the same numbers in every dtype.
template <class Network>
class Classifier {
 public:
  explicit Classifier(backflow::Dtype dtype = backflow::kFloat32) {
    set_initial_values(*model_);
    if (dtype != backflow::kFloat32) {
      model_->to(dtype);
      x_ = x_.to(dtype);
    }
  }

  /// Writes the parameters, under PyTorch's names, and the batch.
  void dump(const std::string& folder) const {
    for (const auto& parameter : model_->named_parameters()) {
      write_npy(folder + "/" + parameter.key() + ".npy", parameter.value());
    }
    write_npy(folder + "/x.npy", x_);
    write_npy(folder + "/t.npy", t_);
  }

  double step(Times* times = nullptr) {
    using backflow::trace::Span;
    const auto t0 = Clock::now();
    const backflow::Tensor loss = [this] {
      const Span span("forward");
      return cross_entropy_loss(model_(x_), t_);
    }();
    const auto t1 = Clock::now();
    {
      const Span span("backward");
      optimizer_.zero_grad();
      loss.backward();
    }
    const auto t2 = Clock::now();
    {
      const Span span("update");
      optimizer_.step();
    }
    if (times != nullptr) {
      *times = {microseconds(t0, t1), microseconds(t1, t2)};
      return 0;
    }
    return loss.item<double>();
  }

 private:
  decltype(Network::make()) model_ = Network::make();
  backflow::optim::SGD optimizer_{model_->parameters(), backflow::optim::SGDOptions(0.01).momentum(0.9)};
  backflow::Tensor x_ = uniform(Network::input(), 1.7, 0);
  backflow::Tensor t_ = classes(Network::input()[0], 10, 1);
};

template <class Network>
std::vector<double> losses(int steps, const std::string& dtype) {
  backflow::check(dtype == "f32" || dtype == "f64", "losses: dtype '", dtype, "': need f32 or f64");
  Classifier<Network> model(dtype == "f32" ? backflow::kFloat32 : backflow::kFloat64);
  std::vector<double> losses;
  losses.reserve(static_cast<std::size_t>(std::max(steps, 0)));
  for (int i = 0; i < steps; ++i) {
    losses.push_back(model.step());
  }
  return losses;
}

/// The numbers to compare are the losses of the first three steps. The model that is timed is made when it is first
/// needed: then that of the check is gone, and is not in the peak.
template <class Network>
Workload classifier(const std::string& data) {
  if (!data.empty()) {
    std::filesystem::create_directories(data);
    Classifier<Network>().dump(data);
  }
  return {
      .step =
          [model = std::shared_ptr<Classifier<Network>>()]() mutable {
            if (!model) {
              model = std::make_shared<Classifier<Network>>();
            }
            Times times;
            model->step(&times);
            return times;
          },
      .check = [] { return losses<Network>(3, "f32"); },
      .losses = losses<Network>,
  };
}

}  // namespace bench
