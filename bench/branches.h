#pragma once

// Independent branches of real matrix products: what a second thread is worth to backward.

#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include <backflow/bench/harness.h>
#include <backflow/bench/random.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/parallel.h>

namespace bench {

/// Eight branches of four products of 256x256 by 256x256 each, joined by a sum.
class Branches8 {
 public:
  static constexpr int kBranches = 8;
  static constexpr int kProducts = 4;
  static constexpr std::int64_t kSize = 256;

  Branches8() {
    for (std::uint64_t i = 0; i < kBranches * kProducts; ++i) {
      // As large as keeps the size of the elements.
      weights_.push_back(uniform({kSize, kSize}, std::sqrt(3.0 / kSize), i + 1).requires_grad_());
    }
  }

  backflow::Tensor forward() const {
    std::vector<std::function<backflow::Tensor()>> branches;
    for (std::size_t b = 0; b < kBranches; ++b) {
      branches.emplace_back([this, b] {
        backflow::Tensor y = x_;
        for (std::size_t i = 0; i < kProducts; ++i) {
          y = mm(y, weights_[b * kProducts + i]);
        }
        return y;
      });
    }
    const auto results = backflow::parallel(branches);
    backflow::Tensor total = results[0];
    for (std::size_t b = 1; b < kBranches; ++b) {
      total = total + results[b];
    }
    return (total * total).mean();
  }

  Times step() {
    for (const backflow::Tensor& w : weights_) {
      w.mutable_grad() = backflow::Tensor();
    }
    const auto t0 = Clock::now();
    const backflow::Tensor y = forward();
    const auto t1 = Clock::now();
    y.backward();
    const auto t2 = Clock::now();
    return {microseconds(t0, t1), microseconds(t1, t2)};
  }

  /// The result, and the sum of squares of every gradient.
  std::vector<double> check() const {
    const backflow::Tensor y = forward();
    y.backward();
    std::vector<double> values = {y.item<double>()};
    for (const backflow::Tensor& w : weights_) {
      values.push_back((w.grad() * w.grad()).sum().item<double>());
    }
    return values;
  }

 private:
  backflow::Tensor x_ = uniform({kSize, kSize}, 1.7, 0);
  std::vector<backflow::Tensor> weights_;
};

inline Workload branches8() {
  return {.step = [model = std::make_shared<Branches8>()] { return model->step(); },
          .check = [] { return Branches8().check(); }};
}

}  // namespace bench
