// Adam, AdamW, RMSprop and Adagrad: the fused update against the formula written out, threads, strides, groups, state
// and mistakes.
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>

using namespace backflow::optim;
using backflow::kFloat64;
using backflow::Tensor;
using backflow::test::bitwise_equal;
using Strings = std::vector<std::string>;

namespace {

Tensor parameter(const Tensor& x) { return x.detach().clone().requires_grad_(); }

/// One element, as PyTorch's operations change it: each call of `step` is one step.
template <class T>
struct PlainAdam {
  using Optimizer = Adam;
  AdamOptions options;
  T m = 0, v = 0, u = 0;

  T step(T p, T g, int t) {
    const auto [beta1, beta2] = options.betas();
    const auto b1 = static_cast<T>(beta1), b2 = static_cast<T>(beta2);
    if (options.weight_decay() != 0) {
      g = g + static_cast<T>(options.weight_decay()) * p;
    }
    m = m * b1 + static_cast<T>(1 - beta1) * g;
    v = v * b2 + static_cast<T>(1 - beta2) * g * g;
    u = options.amsgrad() ? std::max(u, v) : v;
    const T root = std::sqrt(u) / static_cast<T>(std::sqrt(1 - std::pow(beta2, t)));
    return p + static_cast<T>(-(options.lr() / (1 - std::pow(beta1, t)))) * m / (root + static_cast<T>(options.eps()));
  }
};

template <class T>
struct PlainAdamW {
  using Optimizer = AdamW;
  AdamWOptions options;
  PlainAdam<T> adam{AdamOptions(options.lr()).betas(options.betas()).eps(options.eps()).amsgrad(options.amsgrad())};

  T step(T p, T g, int t) { return adam.step(p * static_cast<T>(1 - options.lr() * options.weight_decay()), g, t); }
};

template <class T>
struct PlainRMSprop {
  using Optimizer = RMSprop;
  RMSpropOptions options;
  T v = 0, a = 0, b = 0;

  T step(T p, T g, int) {
    const auto alpha = static_cast<T>(options.alpha()), rest = static_cast<T>(1 - options.alpha());
    const auto minus_lr = static_cast<T>(-options.lr());
    if (options.weight_decay() != 0) {
      g = g + static_cast<T>(options.weight_decay()) * p;
    }
    v = v * alpha + rest * g * g;
    a = a * alpha + rest * g;
    const T variance = std::max(v - a * a, v * std::numeric_limits<T>::epsilon());
    const T root = std::sqrt(options.centered() ? variance : v) + static_cast<T>(options.eps());
    if (options.momentum() == 0) {
      return p + minus_lr * g / root;
    }
    b = b * static_cast<T>(options.momentum()) + g / root;
    return p + minus_lr * b;
  }
};

template <class T>
struct PlainAdagrad {
  using Optimizer = Adagrad;
  AdagradOptions options;
  T s = static_cast<T>(options.initial_accumulator_value());

  T step(T p, T g, int t) {
    if (options.weight_decay() != 0) {
      g = g + static_cast<T>(options.weight_decay()) * p;
    }
    s = s + g * g;
    const auto minus_lr = static_cast<T>(-(options.lr() / (1 + (t - 1) * options.lr_decay())));
    return p + minus_lr * g / (std::sqrt(s) + static_cast<T>(options.eps()));
  }
};

template <class T, class Plain>
void check_against_plain(const Plain& plain, std::int64_t n) {
  const auto dtype = backflow::dtype_of<T>;
  const Tensor p = parameter(backflow::randn(n, dtype));
  std::vector<T> expected(p.data_ptr<T>(), p.data_ptr<T>() + n);
  std::vector<Plain> elements(static_cast<std::size_t>(n), plain);
  typename Plain::Optimizer optimizer(std::vector<Tensor>{p}, plain.options);
  for (int step = 1; step <= 4; ++step) {
    p.mutable_grad() = backflow::randn(n, dtype);
    for (std::size_t i = 0; i < elements.size(); ++i) {
      expected[i] = elements[i].step(expected[i], p.grad().data_ptr<T>()[i], step);
    }
    optimizer.step();
  }
  CHECK((n == 0 || std::memcmp(p.data_ptr(), expected.data(), p.nbytes()) == 0));
}

template <template <class> class Plain, class Options>
void check_bits(const Options& options) {
  backflow::manual_seed(11);
  for (const std::int64_t n : {0, 1, 7, 33, 70'003}) {
    check_against_plain<float>(Plain<float>{options}, n);
    check_against_plain<double>(Plain<double>{options}, n);
  }
}

/// One of each, with all that it keeps.
std::vector<std::unique_ptr<Optimizer>> one_of_each(const std::vector<Tensor>& p) {
  std::vector<std::unique_ptr<Optimizer>> all;
  all.push_back(std::make_unique<Adam>(p, AdamOptions().amsgrad(true).weight_decay(0.1)));
  all.push_back(std::make_unique<AdamW>(p));
  all.push_back(std::make_unique<RMSprop>(p, RMSpropOptions().momentum(0.9).centered(true)));
  all.push_back(std::make_unique<Adagrad>(p, AdagradOptions().initial_accumulator_value(0.1)));
  return all;
}

}  // namespace

TEST_CASE("adaptive optimizers: the fused update is the plain formula, bit for bit", "[nn]") {
  check_bits<PlainAdam>(AdamOptions(0.1));
  check_bits<PlainAdam>(AdamOptions(0.1).betas({0.8, 0.99}).weight_decay(0.1).amsgrad(true));
  check_bits<PlainAdam>(AdamOptions(0.1).betas({0, 0.5}).amsgrad(true).eps(0.01));
  check_bits<PlainAdamW>(AdamWOptions(0.1));
  check_bits<PlainAdamW>(AdamWOptions(0.1).weight_decay(0.5).amsgrad(true));
  check_bits<PlainRMSprop>(RMSpropOptions());
  check_bits<PlainRMSprop>(RMSpropOptions(0.1).weight_decay(0.1).centered(true));
  check_bits<PlainRMSprop>(RMSpropOptions(0.1).momentum(0.9));
  check_bits<PlainRMSprop>(RMSpropOptions(0.1).momentum(0.5).centered(true).alpha(0.5));
  check_bits<PlainAdagrad>(AdagradOptions());
  check_bits<PlainAdagrad>(AdagradOptions(0.1).lr_decay(0.1).weight_decay(0.1).initial_accumulator_value(0.5));
}

TEST_CASE("adaptive optimizers: the same bits on 1, 2, 4 and 8 threads, one parameter at a time or all", "[nn]") {
  for (std::size_t kind = 0; kind < 4; ++kind) {
    const auto train = [&](bool together) {
      backflow::manual_seed(12);
      std::vector<Tensor> parameters;
      for (const std::int64_t n : {100'001, 3, 40'000, 17, 0, 1}) {
        parameters.push_back(parameter(backflow::randn(n)));
      }
      const auto optimizer = std::move(one_of_each(parameters)[kind]);
      for (int i = 0; i < 3; ++i) {
        for (const Tensor& p : parameters) {
          p.mutable_grad() = backflow::randn(p.sizes());
        }
        if (together) {
          optimizer->step();
        }
        for (std::size_t k = parameters.size(); !together && k-- > 0;) {
          optimizer->step_parameters({&parameters[k], 1});
        }
      }
      for (const auto& item : optimizer->state()) {
        parameters.push_back(item.value());
      }
      return parameters;
    };
    const auto expected = train(true);
    for (const int n : {1, 2, 4, 8}) {
      const backflow::test::Threads threads(n);
      CHECK(bitwise_equal(train(true), expected));
      CHECK(bitwise_equal(train(false), expected));
    }
  }
}

TEST_CASE("adaptive optimizers: a parameter without gradient is left alone, and its steps are not counted", "[nn]") {
  const std::vector<Tensor> p = {parameter(backflow::ones({2, 3})), parameter(backflow::ones(4))};
  for (const auto& optimizer : one_of_each(p)) {
    p[0].mutable_grad() = backflow::ones({2, 3});
    p[1].mutable_grad() = Tensor();
    optimizer->step();
    CHECK(optimizer->state(p[1]).is_empty());
    p[1].mutable_grad() = backflow::ones(4);
    optimizer->step();
    CHECK(optimizer->state(p[0])["step"].item<std::int64_t>() == 2);
    CHECK(optimizer->state(p[1])["step"].item<std::int64_t>() == 1);
  }
  CHECK(bitwise_equal(p[1], backflow::ones(4)) == false);
}

TEST_CASE("adaptive optimizers: strides do not matter", "[nn]") {
  for (std::size_t kind = 0; kind < 4; ++kind) {
    const Tensor rows = backflow::test::random_tensor({3, 2}, "rows");
    const Tensor dense = parameter(rows.t());
    const Tensor strided = rows.t().detach().requires_grad_();
    REQUIRE_FALSE(strided.is_contiguous());
    const auto one = std::move(one_of_each({dense})[kind]);
    const auto other = std::move(one_of_each({strided})[kind]);
    for (int i = 0; i < 3; ++i) {
      dense.mutable_grad() = backflow::test::random_tensor({2, 3}, "g" + std::to_string(i));
      strided.mutable_grad() = dense.grad().t().contiguous().t();
      one->step();
      other->step();
    }
    CHECK(bitwise_equal(strided.detach().contiguous(), dense));
    CHECK(bitwise_equal(rows.t().contiguous(), dense));
  }
}

TEST_CASE("rmsprop: gradients that hardly vary have a variance that is not negative", "[nn]") {
  for (const auto dtype : {backflow::kFloat32, kFloat64}) {
    backflow::manual_seed(3);
    const double epsilon = dtype == kFloat64 ? 0x1p-52 : 0x1p-23;
    for (const double momentum : {0.0, 0.5}) {
      for (const double alpha : {0.99, 0.5, 0.0}) {
        for (const double noise : {0.01, 0.0}) {
          INFO("alpha " << alpha << ", momentum " << momentum << ", noise " << noise);
          const Tensor p = backflow::zeros({100}, dtype).requires_grad_();
          RMSprop optimizer({p}, RMSpropOptions(0.01).alpha(alpha).momentum(momentum).centered(true));
          double farthest = 0;
          for (int step = 0; step < (alpha == 0.99 ? 2000 : 100); ++step) {
            p.mutable_grad() = backflow::randn({100}, dtype) * noise + 1000;
            const Tensor before = p.detach().clone();
            optimizer.step();
            farthest = std::max(farthest, (p.detach() - before).abs().max().to(kFloat64).item<double>());
          }
          // A step is at most lr g / r with r = sqrt(e v) or more, and with momentum the sum of halves of such.
          CHECK(farthest <= 1.5 * 0.01 / std::sqrt(epsilon) / (1 - momentum));
          CHECK(p.detach().isfinite().all().item<bool>());
        }
      }
    }
  }
}

TEST_CASE("rmsprop: the variance is that of the gradients, as far as their squares tell", "[nn]") {
  // After t equal gradients g from zeros, v - a^2 = g^2 (1 - alpha^t) alpha^t; in float32 it is lost at step 24.
  const Tensor p = backflow::zeros({1}).requires_grad_();
  RMSprop optimizer({p}, RMSpropOptions(1).alpha(0.5).eps(0).centered(true));
  for (int t = 1; t <= 30; ++t) {
    p.mutable_grad() = backflow::full({1}, 0.3);
    const double before = p.item<double>();
    optimizer.step();
    const double part = std::pow(0.5, t);
    const double exact = 1 / std::sqrt((1 - part) * part);
    const double step = before - p.item<double>();
    INFO("step " << t << ": " << step << ", exactly " << exact);
    CHECK((t > 12 || step == Approx(exact).epsilon(0.01)));
    CHECK((step > 0 && step <= 1.01 * std::sqrt(0x1p23)));
  }
}

TEST_CASE("adam: AMSGrad keeps a NaN, as torch.maximum does", "[nn]") {
  const Tensor p = parameter(backflow::zeros(3));
  Adam adam({p}, AdamOptions().amsgrad(true));
  p.mutable_grad() = backflow::tensor({1.0, std::nan(""), 1.0});
  adam.step();
  p.mutable_grad() = backflow::tensor({1.0, 1.0, std::nan("")});
  adam.step();
  const std::vector<double> u = backflow::test::array_of(adam.state(p)["max_exp_avg_sq"]).data;
  CHECK(u[0] > 0);
  CHECK(std::isnan(u[1]));
  CHECK(std::isnan(u[2]));
}

TEST_CASE("adam: groups have their own betas, decay and AMSGrad, in any order", "[nn]") {
  std::vector<Tensor> p;
  std::vector<Tensor> q;
  for (int i = 0; i < 4; ++i) {
    p.push_back(parameter(backflow::test::random_tensor({5}, "p" + std::to_string(i))));
    q.push_back(parameter(p.back()));
  }
  const AdamOptions special = AdamOptions(0.1).betas({0.5, 0.6}).weight_decay(0.3).amsgrad(true);
  std::vector<OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<Tensor>{p[2]}, std::make_unique<AdamOptions>(special));
  groups.emplace_back(std::vector<Tensor>{});
  groups.emplace_back(std::vector<Tensor>{p[0], p[3]});
  Adam together(groups, AdamOptions(0.01));
  together.add_param_group(OptimizerParamGroup({p[1]}, std::make_unique<AdamOptions>(special)));
  Adam plain({q[0], q[3]}, 0.01);
  Adam apart({q[1], q[2]}, special);
  for (int step = 0; step < 3; ++step) {
    for (std::size_t i = 0; i < p.size(); ++i) {
      // Parameter 3 has a gradient in the second step alone.
      p[i].mutable_grad() =
          i == 3 && step != 1 ? Tensor() : backflow::test::random_tensor({5}, "g" + std::to_string(10 * step + i));
      q[i].mutable_grad() = p[i].grad();
    }
    together.step_parameters(std::vector<Tensor>{p[3], p[1], p[0], p[2]});
    plain.step();
    apart.step();
  }
  CHECK(bitwise_equal(p, q));
  CHECK(together.state().keys() == Strings{"0.step", "0.exp_avg", "0.exp_avg_sq", "0.max_exp_avg_sq", "1.step",
                                           "1.exp_avg", "1.exp_avg_sq", "2.step", "2.exp_avg", "2.exp_avg_sq", "3.step",
                                           "3.exp_avg", "3.exp_avg_sq", "3.max_exp_avg_sq"});
}

TEST_CASE("adam: what it keeps can be read under libtorch's names", "[nn]") {
  const Tensor p = parameter(backflow::zeros(2));
  Adam adam({p}, AdamOptions().amsgrad(true));
  CHECK_THROWS_WITH(AdamParamState(adam.state(p)),
                    Equals("adam: a state without 'step', 'exp_avg' or 'exp_avg_sq': need the state of a parameter "
                           "after its first step"));
  p.mutable_grad() = backflow::ones(2);
  adam.step();
  const AdamParamState state(adam.state(p));
  CHECK(state.step() == 1);
  CHECK(state.exp_avg().is_same(adam.state(p)["exp_avg"]));
  CHECK(bitwise_equal(state.exp_avg_sq(), state.max_exp_avg_sq()));
  AdamW plain({p});
  plain.step();
  CHECK_FALSE(AdamWParamState(plain.state(p)).max_exp_avg_sq().defined());
}

TEST_CASE("adaptive optimizers: a state that does not fit is refused, and nothing is changed", "[nn]") {
  const Tensor p = parameter(backflow::zeros(3));
  p.mutable_grad() = backflow::ones(3);
  Adam adam({p}, AdamOptions());
  adam.step();
  const Optimizer::NamedTensors good = adam.state();
  const auto with = [&](const std::string& name, const Tensor& value) {
    Optimizer::NamedTensors state;
    for (const auto& item : good) {
      state.insert(item.key(), item.key() == name ? value : item.value());
    }
    if (!state.contains(name)) {
      state.insert(name, value);
    }
    return state;
  };
  const std::string end = ": need the state of the same optimizer and model";
  CHECK_THROWS_WITH(adam.load_state(with("0.momentum_buffer", backflow::ones(3))),
                    Equals("optimizer: state '0.momentum_buffer', f32[3], for a parameter f32[3]" + end));
  CHECK_THROWS_WITH(adam.load_state(with("0.max_exp_avg_sq", backflow::ones(3))), ContainsSubstring("max_exp_avg_sq"));
  CHECK_THROWS_WITH(adam.load_state(with("0.step", backflow::ones(3))), ContainsSubstring("'0.step', f32[3]"));
  CHECK_THROWS_WITH(adam.load_state(with("0.step", backflow::full({}, -1, backflow::kInt64))),
                    ContainsSubstring("'0.step', i64[]"));
  CHECK_THROWS_WITH(adam.load_state(with("0.exp_avg", Tensor())), ContainsSubstring("'0.exp_avg'"));
  Optimizer::NamedTensors part;
  part.insert("0.exp_avg", backflow::ones(3));
  CHECK_THROWS_WITH(adam.load_state(part), Equals("optimizer: the state of '0' has no 'exp_avg_sq': need the state of "
                                                  "the same optimizer"));
  part.insert("0.exp_avg_sq", backflow::ones(3));
  CHECK_THROWS_WITH(adam.load_state(part), ContainsSubstring("the state of '0' has no 'step'"));
  CHECK(bitwise_equal(adam.state().values(), good.values()));
}

TEST_CASE("adaptive optimizers: estimated work counts the bytes of parameter, gradient and state", "[nn]") {
  const std::vector<Tensor> p = {parameter(backflow::ones(1000))};
  CHECK(Adam(p).work(p) == Approx(1000 * 4 * 7 / 10.0));
  CHECK(Adam(p, AdamOptions().amsgrad(true)).work(p) == Approx(1000 * 4 * 9 / 10.0));
  CHECK(Adagrad(p).work(p) == Approx(1000 * 4 * 5 / 10.0));
}

TEST_CASE("adaptive optimizers: mistakes are errors", "[nn]") {
  const std::vector<Tensor> p = {parameter(backflow::ones(3))};
  const auto adam = [&](const AdamOptions& o) { Adam(p, o); };
  CHECK_THROWS_WITH(adam(-0.1), Equals("adam: lr -0.1: need a number >= 0"));
  CHECK_THROWS_WITH(adam(std::nan("")), ContainsSubstring("adam: lr "));
  CHECK_THROWS_WITH(adam(AdamOptions().eps(-1)), Equals("adam: eps -1: need a number >= 0"));
  CHECK_THROWS_WITH(adam(AdamOptions().betas({1, 0.5})), Equals("adam: betas 1 and 0.5: need numbers in [0, 1)"));
  CHECK_THROWS_WITH(adam(AdamOptions().betas({0.5, -0.1})), Equals("adam: betas 0.5 and -0.1: need numbers in [0, 1)"));
  CHECK_THROWS_WITH(adam(AdamOptions().weight_decay(-1)), Equals("adam: weight_decay -1: need a number >= 0"));
  CHECK_THROWS_WITH(AdamW(p, AdamWOptions().eps(-1)), Equals("adamw: eps -1: need a number >= 0"));
  CHECK_THROWS_WITH(RMSprop(p, -1.0), Equals("rmsprop: lr -1: need a number >= 0"));
  CHECK_THROWS_WITH(RMSprop(p, RMSpropOptions().alpha(-1)), Equals("rmsprop: alpha -1: need a number >= 0"));
  CHECK_THROWS_WITH(RMSprop(p, RMSpropOptions().momentum(-1)), Equals("rmsprop: momentum -1: need a number >= 0"));
  CHECK_THROWS_WITH(Adagrad(p, AdagradOptions().lr_decay(-1)), Equals("adagrad: lr_decay -1: need a number >= 0"));
  CHECK_THROWS_WITH(Adagrad(p, AdagradOptions().initial_accumulator_value(-1)),
                    Equals("adagrad: initial_accumulator_value -1: need a number >= 0"));
  Adam optimizer(std::vector<Tensor>{}, AdamOptions());
  CHECK_THROWS_WITH(optimizer.add_param_group(OptimizerParamGroup(p, std::make_unique<AdamWOptions>())),
                    Equals("adam: the options of a group are another optimizer's: need its own"));
  CHECK(optimizer.size() == 0);
}

TEST_CASE("adaptive optimizers: a step that fails counts for no parameter", "[nn]") {
  const std::vector<Tensor> p = {parameter(backflow::ones(3)), parameter(backflow::ones(3))};
  Adam adam(p);
  p[0].mutable_grad() = backflow::ones(3);
  p[1].mutable_grad() = backflow::ones(2);
  CHECK_THROWS_WITH(adam.step(),
                    Equals("optimizer: gradient f32[2] of a parameter f32[3]: need the parameter's shape and dtype"));
  p[1].mutable_grad() = backflow::ones(3, kFloat64);
  CHECK_THROWS_WITH(adam.step(),
                    Equals("optimizer: gradient f64[3] of a parameter f32[3]: need the parameter's shape and dtype"));
  CHECK(adam.state().is_empty());
  CHECK(bitwise_equal(p[0], backflow::ones(3)));
}
