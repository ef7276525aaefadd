#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/tests/catch2.h>

namespace nn = backflow::nn;
namespace optim = backflow::optim;
using backflow::kFloat64;
using backflow::Tensor;
using optim::SGD;
using optim::SGDOptions;
using Strings = std::vector<std::string>;

namespace {

std::vector<double> values(const Tensor& x) {
  const Tensor d = x.detach().to(kFloat64).contiguous();
  return {d.data_ptr<double>(), d.data_ptr<double>() + d.numel()};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

Tensor parameter(const Tensor& x) { return x.detach().clone().requires_grad_(); }

/// PyTorch's formula, one number after the other.
template <class T>
struct PlainSgd {
  SGDOptions options;
  std::vector<T> p;
  std::vector<T> b = {};

  void step(const T* g) {
    const bool first = b.empty();
    b.resize(p.size());
    const auto momentum = static_cast<T>(options.momentum());
    for (std::size_t i = 0; i < p.size(); ++i) {
      T d = g[i];
      if (options.weight_decay() != 0) {
        d = d + static_cast<T>(options.weight_decay()) * p[i];
      }
      if (momentum != 0) {
        b[i] = first ? d : b[i] * momentum + static_cast<T>(1 - options.dampening()) * d;
        d = options.nesterov() ? d + momentum * b[i] : b[i];
      }
      p[i] = p[i] + static_cast<T>(-options.lr()) * d;
    }
  }
};

std::vector<SGDOptions> all_options() {
  return {SGDOptions(0.1), SGDOptions(0.1).momentum(0.9),
          SGDOptions(0.1).momentum(0.9).dampening(0.3).weight_decay(0.01),
          SGDOptions(0.05).momentum(0.8).weight_decay(0.1).nesterov(true), SGDOptions(0.1).weight_decay(0.5)};
}

template <class T>
void check_against_plain(const SGDOptions& options, std::int64_t n) {
  const auto dtype = backflow::dtype_of<T>;
  const Tensor p = parameter(backflow::randn(n, dtype));
  PlainSgd<T> plain{options, {p.data_ptr<T>(), p.data_ptr<T>() + n}};
  SGD sgd(std::vector<Tensor>{p}, options);
  for (int step = 0; step < 4; ++step) {
    const Tensor g = backflow::randn(n, dtype);
    p.mutable_grad() = g;
    plain.step(g.data_ptr<T>());
    sgd.step();
  }
  CHECK((n == 0 || std::memcmp(p.data_ptr(), plain.p.data(), p.nbytes()) == 0));
  if (options.momentum() != 0) {
    CHECK((n == 0 || std::memcmp(sgd.state(p)["momentum_buffer"].data_ptr(), plain.b.data(), p.nbytes()) == 0));
  }
}

}  // namespace

TEST_CASE("sgd: five steps as in PyTorch 1.13", "[nn]") {
  const std::vector<std::vector<double>> expected = {{-0.82768, -2.49539, 0.9176671875},
                                                     {-2.86393, -2.63804, -1.6738828125},
                                                     {-2.25218967808935, -2.32276712521548, -0.654352199638784},
                                                     {-1.43128540332144, -2.38545921011949, 0.101277125047488},
                                                     {-0.8474609375, -2.11918625, 0.45706}};
  const std::vector<std::vector<double>> buffers = {{},
                                                    {10.6203, 5.1724, 16.581015625},
                                                    {9.12489733662388, 3.50631153076695, 12.4931476145191},
                                                    {11.5525836446271, 4.3308778464388, 15.4677384879168},
                                                    {}};
  const Tensor scale = backflow::tensor({1.0, 0.5, 0.25}, kFloat64);
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const Tensor p = parameter(backflow::tensor({1.0, -2.0, 3.0}, kFloat64));
    SGD sgd(std::vector<Tensor>{p}, all_options()[k]);
    for (int i = 0; i < 5; ++i) {
      const Tensor loss = sgd.step([&] {
        sgd.zero_grad();
        const Tensor sum = (p * p * scale + p * (i + 1.0)).sum();
        sum.backward();
        return sum;
      });
      CHECK(loss.defined());
    }
    const auto check_close = [](const std::vector<double>& is, const std::vector<double>& should) {
      REQUIRE(is.size() == should.size());
      for (std::size_t i = 0; i < is.size(); ++i) {
        CHECK(is[i] == Approx(should[i]).epsilon(1e-13));
      }
    };
    check_close(values(p), expected[k]);
    const Tensor* buffer = sgd.state(p).find("momentum_buffer");
    check_close(buffer != nullptr ? values(*buffer) : std::vector<double>(), buffers[k]);
  }
}

TEST_CASE("sgd: the fused update is the plain formula, bit for bit", "[nn]") {
  backflow::manual_seed(11);
  for (const SGDOptions& options : all_options()) {
    for (const std::int64_t n : {0, 1, 7, 33, 100003}) {
      check_against_plain<float>(options, n);
      check_against_plain<double>(options, n);
    }
  }
}

TEST_CASE("sgd: the same bits on 1, 2 and 4 threads", "[nn]") {
  const int threads = backflow::get_num_threads();
  const auto train = [] {
    backflow::manual_seed(12);
    std::vector<Tensor> parameters;
    for (const std::int64_t n : {200001, 3, 40000, 17}) {
      parameters.push_back(parameter(backflow::randn(n)));
    }
    SGD sgd(parameters, SGDOptions(0.1).momentum(0.9).weight_decay(0.01).nesterov(true));
    for (int i = 0; i < 3; ++i) {
      for (const Tensor& p : parameters) {
        p.mutable_grad() = backflow::randn(p.sizes());
      }
      sgd.step();
    }
    return parameters;
  };
  const auto expected = train();
  for (const int n : {1, 2, 4}) {
    backflow::set_num_threads(n);
    const auto again = train();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(same_bits(again[i], expected[i]));
    }
  }
  backflow::set_num_threads(threads);
}

TEST_CASE("sgd: undefined gradients are skipped, strides do not matter", "[nn]") {
  const Tensor a = parameter(backflow::ones({2, 3}));
  const Tensor rows = backflow::ones({3, 2});
  const Tensor b = rows.t().detach().requires_grad_();
  REQUIRE_FALSE(b.is_contiguous());
  SGD sgd(std::vector<Tensor>{a, b}, SGDOptions(0.5).momentum(0.9));
  b.mutable_grad() = backflow::tensor({{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}}).t();
  sgd.step();
  CHECK(values(a) == std::vector<double>(6, 1));
  CHECK(sgd.state(a).is_empty());
  CHECK(values(b) == std::vector<double>{0.5, -0.5, -1.5, 0, -1, -2});
  CHECK(values(rows) == std::vector<double>{0.5, 0, -0.5, -1, -1.5, -2});
}

TEST_CASE("sgd: a step makes what backward saved of a parameter stale", "[nn]") {
  const Tensor w = parameter(backflow::ones({2}));
  SGD sgd(std::vector<Tensor>{w}, 0.1);
  const Tensor y = (w * w).sum();
  w.mutable_grad() = backflow::ones({2});
  sgd.step();
  CHECK_THROWS_AS(y.backward(), backflow::Error);
}

TEST_CASE("optimizer: groups have their own options", "[nn]") {
  const Tensor a = parameter(backflow::ones(1));
  const Tensor b = parameter(backflow::ones(1));
  std::vector<optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<Tensor>{a});
  groups.emplace_back(std::vector<Tensor>{b}, std::make_unique<SGDOptions>(0.25));
  SGD sgd(groups, 0.5);
  a.mutable_grad() = backflow::ones(1);
  b.mutable_grad() = backflow::ones(1);
  sgd.step();
  CHECK(a.item<float>() == 0.5F);
  CHECK(b.item<float>() == 0.75F);
  sgd.param_groups()[1].options().set_lr(0);
  const std::vector<Tensor> some = {b};
  sgd.step_parameters(some);
  CHECK(b.item<float>() == 0.75F);
  CHECK(a.item<float>() == 0.5F);
}

TEST_CASE("optimizer: parameters may be updated from several threads", "[nn]") {
  backflow::manual_seed(13);
  std::vector<Tensor> ours;
  std::vector<Tensor> theirs;
  for (int i = 0; i < 8; ++i) {
    ours.push_back(parameter(backflow::randn(5000)));
    theirs.push_back(parameter(ours.back()));
    ours.back().mutable_grad() = backflow::randn(5000);
    theirs.back().mutable_grad() = ours.back().grad();
  }
  SGD together(ours, SGDOptions(0.1).momentum(0.9));
  SGD apart(theirs, SGDOptions(0.1).momentum(0.9));
  for (int step = 0; step < 3; ++step) {
    together.step();
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      threads.emplace_back([&, i] { apart.step_parameters({&theirs[i], 1}); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  for (std::size_t i = 0; i < ours.size(); ++i) {
    CHECK(same_bits(ours[i], theirs[i]));
  }
}

TEST_CASE("optimizer: state can be saved and restored", "[nn]") {
  nn::Linear model(2, 3);
  const auto names = model->named_parameters();
  SGD sgd(model->parameters(), SGDOptions(0.1).momentum(0.9));
  CHECK(sgd.state().is_empty());
  model(backflow::rand({4, 2})).sum().backward();
  sgd.step();
  CHECK(sgd.state().keys() == Strings{"0.momentum_buffer", "1.momentum_buffer"});
  CHECK(sgd.state(names).keys() == Strings{"weight.momentum_buffer", "bias.momentum_buffer"});

  SGD other(model->parameters(), SGDOptions(0.1).momentum(0.9));
  other.load_state(sgd.state(names), names);
  const Tensor& buffer = other.state(model->weight)["momentum_buffer"];
  CHECK(same_bits(buffer, sgd.state(model->weight)["momentum_buffer"]));
  CHECK_FALSE(buffer.is_same(sgd.state(model->weight)["momentum_buffer"]));

  optim::Optimizer::NamedTensors wrong;
  wrong.insert("bias.momentum_buffer", backflow::zeros(4));
  CHECK_THROWS_WITH(other.load_state(wrong, names),
                    Equals("optimizer: state 'bias.momentum_buffer', f32[4], for a parameter f32[3]: need the state of "
                           "the same optimizer and model"));
  CHECK_THROWS_WITH(other.load_state(wrong), ContainsSubstring("no parameter has this name"));
  CHECK(other.state().size() == 2);
}

TEST_CASE("optimizer: zero_grad drops handles, and gradients in buckets come back", "[nn]") {
  const Tensor p = parameter(backflow::ones(3));
  SGD sgd(std::vector<Tensor>{p}, 0.1);
  const Tensor bucket = backflow::zeros(3);
  p.impl().meta().grad_buffer = bucket;
  (p * 2.0).sum().backward();
  CHECK(p.grad().is_same(bucket));
  sgd.zero_grad(false);
  CHECK(p.grad().is_same(bucket));
  CHECK(values(bucket) == std::vector<double>(3, 0));
  sgd.zero_grad();
  CHECK_FALSE(p.grad().defined());
  (p * 3.0).sum().backward();
  CHECK(p.grad().is_same(bucket));
  CHECK(values(bucket) == std::vector<double>(3, 3));
}

TEST_CASE("optimizer: estimated work counts the bytes of parameter, gradient and state", "[nn]") {
  const std::vector<Tensor> p = {parameter(backflow::ones(1000)), parameter(backflow::ones(500, kFloat64))};
  std::vector<optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<Tensor>{p[0]});
  groups.emplace_back(std::vector<Tensor>{p[1]}, std::make_unique<SGDOptions>(SGDOptions(0.1).momentum(0.9)));
  const SGD sgd(groups, 0.5);
  CHECK(sgd.work(std::span(p).first(1)) == Approx(1000 * 4 * 3 / 10.0));
  CHECK(sgd.work(p) == Approx(1000 * 4 * 3 / 10.0 + 500 * 8 * 5 / 10.0));
  CHECK_THROWS_AS(sgd.work(std::vector<Tensor>{backflow::ones(2)}), backflow::Error);
}

TEST_CASE("optimizer: mistakes are errors", "[nn]") {
  const Tensor p = parameter(backflow::ones(3));
  const auto make = [&](const SGDOptions& options) { SGD(std::vector<Tensor>{p}, options); };
  CHECK_THROWS_WITH(make(-0.1), Equals("sgd: lr -0.1: need a number >= 0"));
  CHECK_THROWS_WITH(make(SGDOptions(1).momentum(-1)), Equals("sgd: momentum -1: need a number >= 0"));
  CHECK_THROWS_WITH(make(SGDOptions(1).weight_decay(-1)), Equals("sgd: weight_decay -1: need a number >= 0"));
  CHECK_THROWS_WITH(make(SGDOptions(1).nesterov(true)),
                    Equals("sgd: nesterov with momentum 0 and dampening 0: need momentum > 0 and no dampening"));
  SGD sgd(std::vector<Tensor>{p}, 0.1);
  CHECK_THROWS_WITH(sgd.add_param_group(std::vector<Tensor>{p}),
                    Equals("optimizer: parameter 0 of the group, f32[3], is there already: need each parameter once"));
  CHECK_THROWS_WITH(sgd.add_param_group(std::vector<Tensor>{p * 2.0}), ContainsSubstring("need a floating-point leaf"));
  CHECK_THROWS_WITH(sgd.add_param_group(std::vector<Tensor>{Tensor()}), ContainsSubstring("is undefined"));
  CHECK_THROWS_WITH(sgd.state(backflow::ones(3)), ContainsSubstring("is no parameter of this optimizer"));
  p.mutable_grad() = backflow::ones(2);
  CHECK_THROWS_WITH(sgd.step(),
                    Equals("optimizer: gradient f32[2] of a parameter f32[3]: need the parameter's shape and dtype"));
}

TEST_CASE("optimizer: an MLP learns", "[nn]") {
  backflow::manual_seed(14);
  nn::MLP model(2, 16, 2);
  const Tensor x = backflow::tensor({{0.0, 0.0}, {0.0, 1.0}, {1.0, 0.0}, {1.0, 1.0}});
  const Tensor y = backflow::tensor({0, 1, 1, 0});
  SGD sgd(model->parameters(), SGDOptions(0.5).momentum(0.9));
  Tensor loss;
  for (int step = 0; step < 200; ++step) {
    sgd.zero_grad();
    loss = nn::functional::cross_entropy(model(x), y);
    loss.backward();
    sgd.step();
  }
  CHECK(loss.item<float>() < 0.05F);
}
