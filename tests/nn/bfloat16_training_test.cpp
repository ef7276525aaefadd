// Training in bfloat16: backward, all optimizers and clipping, computed in float32 and rounded once.
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow::optim;
using backflow::kBFloat16;
using backflow::kFloat32;
using backflow::kFloat64;
using backflow::Tensor;
using backflow::test::bitwise_equal;
namespace utils = backflow::nn::utils;

namespace {

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Optimizer>(std::vector<Tensor>)> make;
};

template <class O, class Options>
Kind kind(const char* name, Options options) {
  return {name, [options](std::vector<Tensor> p) { return std::make_unique<O>(std::move(p), options); }};
}

std::vector<Kind> kinds() {
  return {
      kind<SGD>("sgd", SGDOptions(0.1)),
      kind<SGD>("sgd with momentum", SGDOptions(0.1).momentum(0.9).weight_decay(0.01)),
      kind<SGD>("sgd, nesterov", SGDOptions(0.1).momentum(0.9).nesterov(true)),
      kind<Adam>("adam", AdamOptions(0.05).weight_decay(0.01)),
      kind<Adam>("adam, amsgrad", AdamOptions(0.05).amsgrad(true)),
      kind<AdamW>("adamw", AdamWOptions(0.05).weight_decay(0.1)),
      kind<RMSprop>("rmsprop", RMSpropOptions(0.05)),
      kind<RMSprop>("rmsprop, all", RMSpropOptions(0.05).momentum(0.5).centered(true).weight_decay(0.01)),
      kind<Adagrad>("adagrad", AdagradOptions(0.1).lr_decay(0.1)),
  };
}

Tensor leaf(const Tensor& x) { return x.detach().clone().requires_grad_(); }

void round_to_bfloat16(const Tensor& x) { x.copy_(x.to(kBFloat16)); }

/// A step in float32 whose results are rounded: what a step in bfloat16 is.
void step_and_round(Optimizer& optimizer, const std::vector<Tensor>& parameters) {
  optimizer.step();
  const backflow::NoGradGuard no_grad;
  for (const Tensor& p : parameters) {
    round_to_bfloat16(p);
    for (const auto& item : optimizer.state(p)) {
      if (item.key() != "step") {
        round_to_bfloat16(item.value());
      }
    }
  }
}

}  // namespace

TEST_CASE("bfloat16: backward of a scalar, to any order", "[nn]") {
  const Tensor x = backflow::tensor(3.0).to(kBFloat16).requires_grad_();
  (x * x).backward();
  CHECK(x.grad().scalar_type() == kBFloat16);
  CHECK(x.grad().item<float>() == 6);
  (x * x).backward();
  CHECK(x.grad().item<float>() == 12);  // added up
  const Tensor first = backflow::autograd::grad({x * x * x}, {x}, {}, true, true)[0];
  CHECK(first.item<float>() == 27);
  const Tensor second = backflow::autograd::grad({first}, {x}, {}, true, true)[0];
  CHECK(second.item<float>() == 18);
  CHECK(backflow::autograd::grad({second}, {x})[0].item<float>() == 6);
}

TEST_CASE("bfloat16: anomaly mode looks for NaN", "[nn]") {
  const backflow::autograd::DetectAnomalyGuard anomaly;
  const Tensor x = backflow::tensor(0.0).to(kBFloat16).requires_grad_();
  CHECK_NOTHROW((x * 2).backward());
  CHECK_THROWS_AS((x.sqrt() * 0).backward(), backflow::Error);  // 0 / 0
}

TEST_CASE("bfloat16: a step is one in float32, rounded once", "[nn]") {
  for (const Kind& k : kinds()) {
    INFO(k.name);
    backflow::manual_seed(3);
    std::vector<Tensor> small;
    std::vector<Tensor> wide;
    for (const std::int64_t n : {1, 37, 40001}) {
      small.push_back(leaf(backflow::randn({n}).to(kBFloat16)));
      wide.push_back(leaf(small.back().to(kFloat32)));
    }
    const std::unique_ptr<Optimizer> in_small = k.make(small);
    const std::unique_ptr<Optimizer> in_wide = k.make(wide);
    for (int step = 0; step < 4; ++step) {
      for (std::size_t i = 0; i < small.size(); ++i) {
        small[i].mutable_grad() = backflow::randn(small[i].sizes()).to(kBFloat16);
        wide[i].mutable_grad() = small[i].grad().to(kFloat32);
      }
      in_small->step();
      step_and_round(*in_wide, wide);
      for (std::size_t i = 0; i < small.size(); ++i) {
        CHECK(bitwise_equal(small[i].detach(), wide[i].detach().to(kBFloat16)));
      }
    }
    for (std::size_t i = 0; i < small.size(); ++i) {
      for (const auto& item : in_small->state(small[i])) {
        const Tensor& expected = in_wide->state(wide[i])[item.key()];
        const bool is_step = item.key() == "step";
        CHECK(item.value().scalar_type() == (is_step ? backflow::kInt64 : kBFloat16));
        CHECK(bitwise_equal(item.value(), is_step ? expected : expected.to(kBFloat16)));
      }
    }
  }
}

TEST_CASE("bfloat16: a parameter that is not row-major", "[nn]") {
  const Tensor x = backflow::arange(6.0).view({2, 3}).to(kBFloat16);
  const Tensor p = x.t().detach().requires_grad_();
  p.mutable_grad() = backflow::ones({3, 2}, kBFloat16);
  SGD(std::vector<Tensor>{p}, SGDOptions(1)).step();
  CHECK(bitwise_equal(x, (backflow::arange(6.0).view({2, 3}) - 1).to(kBFloat16)));
}

TEST_CASE("bfloat16: a network of convolutions and linear layers learns", "[nn]") {
  for (const Kind& k : kinds()) {
    INFO(k.name);
    backflow::manual_seed(11);
    backflow::nn::Sequential model(backflow::nn::Conv2d(backflow::nn::Conv2dOptions(1, 16, 3)), backflow::nn::ReLU(),
                                   backflow::nn::Flatten(), backflow::nn::Linear(16 * 16, 2));
    model->to(kBFloat16);
    const Tensor x = backflow::randn({8, 1, 6, 6}).to(kBFloat16);
    const Tensor target = backflow::arange(8).remainder(2);
    const std::unique_ptr<Optimizer> optimizer = k.make(model->parameters());
    float before = 0;
    float after = 0;
    for (int step = 0; step < 12; ++step) {
      const Tensor loss = backflow::nn::functional::cross_entropy(model->forward(x), target);
      optimizer->zero_grad();
      loss.backward();
      utils::clip_grad_norm_(model->parameters(), 1);
      optimizer->step();
      (step == 0 ? before : after) = loss.item<float>();
    }
    CHECK(after < before);
  }
}

TEST_CASE("bfloat16: clip_grad_norm_ and clip_grad_value_", "[nn]") {
  const auto with_gradient = [] {
    Tensor p = backflow::zeros(2, kBFloat16).requires_grad_();
    p.mutable_grad() = backflow::tensor({3.0, -4.0}).to(kBFloat16);
    return p;
  };
  Tensor p = with_gradient();
  CHECK(utils::clip_grad_norm_(p, 10) == 5);
  CHECK(bitwise_equal(p.grad(), with_gradient().grad()));
  CHECK(utils::clip_grad_norm_(p, 100, 1) == 7);
  CHECK(utils::clip_grad_norm_(p, 100, std::numeric_limits<double>::infinity()) == 4);
  CHECK(utils::clip_grad_norm_(p, 100, 3) == Approx(std::cbrt(91)));
  CHECK(utils::clip_grad_norm_(p, 1) == 5);
  CHECK(bitwise_equal(p.grad(), backflow::tensor({0.6, -0.8}).to(kBFloat16)));
  p = with_gradient();
  utils::clip_grad_value_(p, 3.5);
  CHECK(bitwise_equal(p.grad(), backflow::tensor({3.0, -3.5}).to(kBFloat16)));
  p.mutable_grad() = backflow::tensor({3.0, std::nan("")}).to(kBFloat16);
  CHECK(std::isnan(utils::clip_grad_norm_(p, 1, std::numeric_limits<double>::infinity())));
  CHECK_THROWS_AS(utils::clip_grad_norm_(p, 1, 2, true), backflow::Error);
}
