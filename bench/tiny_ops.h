#pragma once

// One operator at a time on eight elements, where only the call's overhead counts: the same source for Backflow and for
// libtorch. To be included where `torch` is libtorch's namespace, or an alias of backflow.

#include <cstdint>
#include <string>

#include <backflow/bench/harness.h>

namespace bench {

struct TinyOperator {
  const char* name;
  torch::Tensor (*call)(const torch::Tensor& x, const torch::Tensor& w);
};

inline const std::vector<TinyOperator>& tiny_operators() {
  using torch::Tensor;
  static const std::vector<TinyOperator> rows = {
      {"elementwise.tiny_add", [](const Tensor& x, const Tensor& w) { return x + w; }},
      {"elementwise.tiny_mul", [](const Tensor& x, const Tensor& w) { return x * w; }},
      {"elementwise.tiny_add_number", [](const Tensor& x, const Tensor&) { return x + 1.5; }},
      {"elementwise.tiny_relu", [](const Tensor& x, const Tensor&) { return torch::relu(x); }},
      {"elementwise.tiny_exp", [](const Tensor& x, const Tensor&) { return torch::exp(x); }},
      {"elementwise.tiny_tanh", [](const Tensor& x, const Tensor&) { return torch::tanh(x); }},
      {"elementwise.tiny_gelu", [](const Tensor& x, const Tensor&) { return torch::gelu(x); }},
      {"elementwise.tiny_where",
       [](const Tensor& x, const Tensor& w) {
         static const Tensor condition = torch::ones({8}, torch::kBool);
         return torch::where(condition, x, w);
       }},
      {"reductions.tiny_sum", [](const Tensor& x, const Tensor&) { return x.sum(); }},
      {"reductions.tiny_softmax", [](const Tensor& x, const Tensor&) { return torch::softmax(x, 0); }},
  };
  return rows;
}

/// Calls that a step is made of.
inline constexpr int kTinyCalls = 1000;

/// The workload of this name, if it is one of these. Results are freed in the time that is measured.
inline bool find_tiny(const std::string& name, Workload& found) {
  for (const TinyOperator& row : tiny_operators()) {
    if (name == row.name) {
      torch::Tensor x = torch::ones({8});
      torch::Tensor w = torch::ones({8});
      for (int i = 0; i < 8; ++i) {
        x.template data_ptr<float>()[i] = static_cast<float>(i) / 4 - 0.9F;
        w.template data_ptr<float>()[i] = 1.5F - static_cast<float>(i);
      }
      found.step = [=] {
        const torch::NoGradGuard guard;
        const auto start = Clock::now();
        for (int i = 0; i < kTinyCalls; ++i) {
          const torch::Tensor y = row.call(x, w);
        }
        return Times{microseconds(start, Clock::now()), 0};
      };
      found.check = [=] {
        const torch::Tensor y = row.call(x, w);
        const float* data = y.template data_ptr<float>();
        return std::vector<double>(data, data + y.numel());
      };
      return true;
    }
  }
  return false;
}

}  // namespace bench
