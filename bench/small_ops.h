#pragma once

// Graphs of tiny operations, where only the overhead counts: the same source for Backflow and for libtorch. To be
// included where `torch` is libtorch's namespace, or an alias of backflow.

#include <backflow/bench/harness.h>

namespace bench {

/// Times `build`, which makes a number from a leaf of eight, and its backward. Destroying the graph is in neither.
template <class Build>
Workload chain(Build build) {
  return {
      .step =
          [build] {
            const auto x = torch::ones({8}, torch::requires_grad());
            const auto t0 = Clock::now();
            const auto y = build(x);
            const auto t1 = Clock::now();
            y.backward();
            const auto t2 = Clock::now();
            return Times{microseconds(t0, t1), microseconds(t1, t2)};
          },
      .check =
          [build] {
            auto x = torch::ones({8});
            for (int i = 0; i < 8; ++i) {
              x.template data_ptr<float>()[i] = 1.0F + static_cast<float>(i) / 8192;
            }
            x.set_requires_grad(true);
            const auto y = build(x);
            y.backward();
            std::vector<double> values = {y.template item<double>()};
            const float* grad = x.grad().template data_ptr<float>();
            values.insert(values.end(), grad, grad + 8);
            return values;
          },
  };
}

inline Workload chain1000() {
  return chain([](const torch::Tensor& x) {
    torch::Tensor y = x;
    for (int i = 0; i < 1000; ++i) {
      y = y * 1.0001;
    }
    return y.sum();
  });
}

inline Workload tensmul() {
  return chain([](const torch::Tensor& x) {
    torch::Tensor y = x;
    for (int i = 0; i < 1000; ++i) {
      y = y * x;
    }
    return y.sum();
  });
}

inline Workload wide1000() {
  return chain([](const torch::Tensor& x) {
    std::vector<torch::Tensor> branches;
    for (int i = 0; i < 1000; ++i) {
      branches.push_back(torch::tanh(x * static_cast<double>(i)));
    }
    return torch::stack(branches).sum();
  });
}

/// Linear regression on three points by gradient descent.
class LinearRegression {
 public:
  double step(Times* times = nullptr) {
    const auto t0 = Clock::now();
    const auto loss = (torch::matmul(x_, w_) + b_ - y_).pow(2).mean();
    const auto t1 = Clock::now();
    loss.backward();
    const auto t2 = Clock::now();
    {
      const torch::NoGradGuard guard;
      w_.sub_(w_.grad(), 0.01);
      b_.sub_(b_.grad(), 0.01);
      w_.grad().zero_();
      b_.grad().zero_();
    }
    if (times != nullptr) {
      *times = {microseconds(t0, t1), microseconds(t1, t2)};
      return 0;
    }
    return loss.template item<double>();
  }

 private:
  torch::Tensor x_ = torch::tensor({{1.F}, {2.F}, {3.F}});
  torch::Tensor y_ = torch::tensor({{2.F}, {4.F}, {6.F}});
  torch::Tensor w_ = torch::zeros({1, 1}, torch::requires_grad());
  torch::Tensor b_ = torch::zeros({1}, torch::requires_grad());
};

inline Workload linreg() {
  return {
      .step =
          [model = LinearRegression()]() mutable {
            Times times;
            model.step(&times);
            return times;
          },
      .check =
          [] {
            LinearRegression model;
            std::vector<double> losses;
            for (int i = 0; i < 3; ++i) {
              losses.push_back(model.step());
            }
            return losses;
          },
  };
}

/// The workload of this name, if it is one of these.
inline bool find_small(const std::string& name, Workload& found) {
  if (name == "chain1000") {
    found = chain1000();
  } else if (name == "tensmul") {
    found = tensmul();
  } else if (name == "wide1000") {
    found = wide1000();
  } else if (name == "linreg") {
    found = linreg();
  } else {
    return false;
  }
  return true;
}

}  // namespace bench
