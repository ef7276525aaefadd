#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/error_of.h>

namespace nn = backflow::nn;
namespace F = backflow::nn::functional;
using backflow::DimVector;
using backflow::Tensor;
using backflow::test::error_of;
using Strings = std::vector<std::string>;

namespace {

std::string text_of(const nn::Module& module) {
  std::ostringstream out;
  out << module;
  return out.str();
}

double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

}  // namespace

TEST_CASE("local_response_norm: squares that overflow do not count", "[nn]") {
  // Of three equal channels x, with k = 0, alpha = 1 and beta = 1/2, the middle one is x / sqrt((x^2 + x^2 + x^2) / 3).
  const auto options = F::LocalResponseNormFuncOptions(3).alpha(1).beta(0.5).k(0);
  struct Case {
    backflow::ScalarType dtype;
    double x;
  };
  for (const auto& [dtype, x] : {Case{backflow::kFloat32, 3}, Case{backflow::kFloat32, 1e25},
                                 Case{backflow::kFloat32, 3e38}, Case{backflow::kFloat64, 1e200}}) {
    INFO("x " << x);
    const Tensor in = backflow::full({1, 3, 1}, x, dtype).requires_grad_();
    const Tensor y = F::local_response_norm(in, options).select(1, 1).sum();
    CHECK(y.item<double>() == Approx(1));
    y.backward();
    // 1 / d - x^2 / (3 d^3) with d = x, and the second term alone for a neighbour
    CHECK(in.grad().select(1, 1).item<double>() * x == Approx(2.0 / 3));
    CHECK(in.grad().select(1, 0).item<double>() * x == Approx(-1.0 / 3));
  }
}

TEST_CASE("normalization: names of parameters and buffers", "[nn]") {
  const nn::BatchNorm2d batch(4);
  CHECK(batch->state_dict().keys() == Strings{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
  CHECK(batch->named_parameters().keys() == Strings{"weight", "bias"});
  CHECK(batch->num_batches_tracked.scalar_type() == backflow::kInt64);
  CHECK(nn::InstanceNorm1d(4)->state_dict().is_empty());
  CHECK(nn::InstanceNorm1d(nn::InstanceNorm1dOptions(4).affine(true).track_running_stats(true))->state_dict().size() ==
        5);
  CHECK(nn::LayerNorm(std::vector<std::int64_t>{2, 3})->state_dict().keys() == Strings{"weight", "bias"});
  CHECK(nn::RMSNorm(std::vector<std::int64_t>{2, 3})->state_dict().keys() == Strings{"weight"});
  CHECK(nn::GroupNorm(2, 4)->state_dict().keys() == Strings{"weight", "bias"});
  CHECK(nn::GroupNorm(nn::GroupNormOptions(2, 4).affine(false))->state_dict().is_empty());
}

TEST_CASE("normalization: modules print as in Python", "[nn]") {
  CHECK(text_of(*nn::BatchNorm2d(3)) ==
        "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)");
  CHECK(text_of(*nn::BatchNorm1d(nn::BatchNorm1dOptions(3).momentum({}))) ==
        "BatchNorm1d(3, eps=1e-05, momentum=None, affine=True, track_running_stats=True)");
  CHECK(text_of(*nn::InstanceNorm3d(4)) ==
        "InstanceNorm3d(4, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False)");
  CHECK(text_of(*nn::LayerNorm(std::vector<std::int64_t>{3, 4})) ==
        "LayerNorm((3, 4), eps=1e-05, elementwise_affine=True)");
  CHECK(text_of(*nn::RMSNorm(std::vector<std::int64_t>{5})) == "RMSNorm((5,), eps=None, elementwise_affine=True)");
  CHECK(text_of(*nn::GroupNorm(2, 4)) == "GroupNorm(2, 4, eps=1e-05, affine=True)");
}

TEST_CASE("normalization: running statistics move in training and are used in evaluation", "[nn]") {
  nn::BatchNorm1d norm(3);
  const Tensor x = backflow::randn({8, 3}) * 2 + 5;
  const Tensor y = norm(x);
  CHECK(difference(y.mean(0), backflow::zeros({3})) < 1e-5);
  CHECK(difference(norm->running_mean, x.mean(0) * 0.1) < 1e-6);
  CHECK(difference(norm->running_var, x.var({0}, true) * 0.1 + 0.9) < 1e-5);
  CHECK(norm->num_batches_tracked.item<std::int64_t>() == 1);
  norm->eval();
  const Tensor expected = (x - norm->running_mean) / backflow::sqrt(norm->running_var + 1e-5);
  CHECK(difference(norm(x), expected) < 1e-5);
  CHECK(norm->num_batches_tracked.item<std::int64_t>() == 1);
  norm->train();
  norm(x);
  CHECK(norm->num_batches_tracked.item<std::int64_t>() == 2);
  norm->reset_running_stats();
  CHECK(norm->num_batches_tracked.item<std::int64_t>() == 0);
  CHECK(difference(norm->running_var, backflow::ones({3})) == 0);
}

TEST_CASE("normalization: without a momentum the statistics are the means of all batches", "[nn]") {
  nn::BatchNorm2d norm(nn::BatchNorm2dOptions(2).momentum({}).affine(false));
  Tensor total = backflow::zeros({2});
  for (int i = 0; i < 3; ++i) {
    const Tensor x = backflow::randn({4, 2, 3, 3}) + i;
    norm(x);
    total = total + x.mean({0, 2, 3});
  }
  CHECK(difference(norm->running_mean, total / 3) < 1e-6);
}

TEST_CASE("normalization: without running statistics evaluation uses those of the batch", "[nn]") {
  nn::BatchNorm1d norm(nn::BatchNorm1dOptions(3).track_running_stats(false));
  const Tensor x = backflow::randn({8, 3});
  const Tensor y = norm(x);
  norm->eval();
  CHECK(difference(norm(x), y) == 0);
}

TEST_CASE("normalization: parameters get gradients", "[nn]") {
  nn::Sequential net(nn::BatchNorm2d(4), nn::GroupNorm(2, 4), nn::LayerNorm(std::vector<std::int64_t>{5}),
                     nn::RMSNorm(std::vector<std::int64_t>{3, 5}));
  const Tensor y = net->forward(backflow::randn({2, 4, 3, 5}));
  (y * backflow::randn(y.sizes())).sum().backward();
  for (const auto& parameter : net->named_parameters()) {
    CAPTURE(parameter.key());
    CHECK(parameter.value().grad().abs().sum().item<double>() > 0);
  }
}

TEST_CASE("normalization: a module in float64", "[nn]") {
  nn::BatchNorm1d norm(3);
  norm->to(backflow::kFloat64);
  CHECK(norm->running_mean.scalar_type() == backflow::kFloat64);
  CHECK(norm->num_batches_tracked.scalar_type() == backflow::kInt64);
  CHECK(norm(backflow::randn({4, 3}).to(backflow::kFloat64)).scalar_type() == backflow::kFloat64);
}

TEST_CASE("normalization: instances of one sample without a batch", "[nn]") {
  nn::InstanceNorm1d norm(3);
  const Tensor x = backflow::randn({3, 7});
  CHECK(difference(norm(x), norm(x.unsqueeze(0)).squeeze(0)) == 0);
  CHECK(norm(x).sizes() == x.sizes());
}

TEST_CASE("normalization: functions take their options", "[nn]") {
  const Tensor x = backflow::randn({4, 6, 5});
  const Tensor w = backflow::randn({6});
  const Tensor mean = backflow::zeros({6});
  const Tensor variance = backflow::ones({6});
  const Tensor evaluated = F::batch_norm(x, mean, variance, F::BatchNormFuncOptions().weight(w).eps(0));
  CHECK(difference(evaluated, x * w.reshape({6, 1})) < 1e-5);
  F::batch_norm(x, mean, variance, F::BatchNormFuncOptions().training(true).momentum(1));
  CHECK(difference(mean, x.mean({0, 2})) < 1e-6);
  const Tensor one_group = F::group_norm(x, F::GroupNormFuncOptions(1).eps(1e-3));
  CHECK(difference(one_group, F::layer_norm(x, F::LayerNormFuncOptions({6, 5}).eps(1e-3))) < 1e-5);
  CHECK(difference(F::instance_norm(x), F::group_norm(x, 6)) < 1e-6);
  CHECK(difference(F::rms_norm(x, F::RMSNormFuncOptions({5}).eps(0)).pow(2).mean(2), backflow::ones({4, 6})) < 1e-5);
}

namespace {

/// What a module and its separate form leave behind after some steps: results, statistics and parameters.
template <class Forward>
std::vector<Tensor> trained(backflow::nn::detail::BatchNormModule& norm, const Forward& forward) {
  norm.reset_parameters();
  backflow::optim::SGD update(norm.parameters(), backflow::optim::SGDOptions(0.5));
  backflow::manual_seed(3);
  std::vector<Tensor> all;
  for (int step = 0; step < 4; ++step) {
    const Tensor x = backflow::randn({3, 5, 4, 6}).set_requires_grad(true);
    const Tensor residual = backflow::randn({3, 5, 4, 6}).set_requires_grad(true);
    update.zero_grad();
    const Tensor y = forward(x, step % 2 == 0 ? residual : Tensor());
    (y * y * backflow::randn({3, 5, 4, 6})).sum().backward();
    update.step();
    all.push_back(y.detach());
    all.push_back(x.grad());
    if (step % 2 == 0) {
      all.push_back(residual.grad());
    }
  }
  norm.eval();
  all.push_back(forward(backflow::randn({2, 5, 3, 3}), Tensor()).detach());
  norm.train();
  for (const auto& item : norm.state_dict()) {
    all.push_back(item.value().detach().clone());
  }
  return all;
}

}  // namespace

TEST_CASE("normalization: BNReLU2d is BatchNorm2d and relu, bit by bit", "[nn]") {
  for (const nn::BatchNorm2dOptions& options :
       {nn::BatchNorm2dOptions(5), nn::BatchNorm2dOptions(5).momentum({}), nn::BatchNorm2dOptions(5).affine(true),
        nn::BatchNorm2dOptions(5).track_running_stats(false)}) {
    nn::BatchNorm2d norm(options);
    nn::BNReLU2d fused(options);
    CHECK(fused->state_dict().keys() == norm->state_dict().keys());
    const std::vector<Tensor> expected = trained(*norm, [&](const Tensor& x, const Tensor& residual) {
      return F::relu(residual.defined() ? norm(x) + residual : norm(x));
    });
    const std::vector<Tensor> found = trained(*fused, [&](const Tensor& x, const Tensor& residual) {
      return residual.defined() ? fused(x, residual) : fused(x);
    });
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CAPTURE(i);
      CHECK(backflow::equal(found[i], expected[i]));
    }
  }
}

TEST_CASE("normalization: BNReLU2d prints as BatchNorm2d and has second derivatives", "[nn]") {
  nn::BNReLU2d fused(3);
  CHECK(text_of(*fused) == "BNReLU2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)");
  CHECK(fused->output_shape({2, 3, 4, 5}) == DimVector{2, 3, 4, 5});
  CHECK(error_of([&] { fused(backflow::ones({2, 3})); }) == "BNReLU2d: input of shape [2, 3]: need 4 dimensions");
  CHECK(error_of([&] {
          fused(backflow::ones({2, 3, 1, 2}), backflow::ones({2, 3, 1, 1}));
        }) == "batch_norm_relu: residual f32[2, 3, 1, 1], input f32[2, 3, 1, 2]: need the input's dtype and sizes");

  nn::BatchNorm2d norm(3);
  const Tensor x = backflow::randn({4, 3, 2, 2}).set_requires_grad(true);
  const Tensor dy = backflow::randn({4, 3, 2, 2});
  const auto second = [&](const Tensor& y) {
    const Tensor dx = backflow::autograd::grad({(y * dy).sum()}, {x}, {}, true, true)[0];
    return backflow::autograd::grad({(dx * dx).sum()}, {x})[0];
  };
  CHECK(difference(second(fused(x)), second(F::relu(norm(x)))) == 0);
  const Tensor w = backflow::randn({3});
  const auto options = F::BatchNormFuncOptions().weight(w).training(true);
  CHECK(backflow::equal(F::batch_norm_relu(x, {}, {}, options, dy), F::relu(F::batch_norm(x, {}, {}, options) + dy)));
}

TEST_CASE("normalization: shapes of results and their errors", "[nn]") {
  CHECK(nn::BatchNorm2d(3)->output_shape({2, 3, 4, 4}) == DimVector{2, 3, 4, 4});
  CHECK(nn::InstanceNorm1d(3)->output_shape({3, 4}) == DimVector{3, 4});
  CHECK(nn::GroupNorm(1, 3)->output_shape({2, 3}) == DimVector{2, 3});
  CHECK(error_of([] {
          nn::BatchNorm2d(3)->output_shape({2, 3});
        }) == "BatchNorm2d: input of shape [2, 3]: need 4 dimensions");
  CHECK(error_of([] {
          nn::BatchNorm1d(3)(backflow::ones({2, 4}));
        }) == "BatchNorm1d: input of shape [2, 4]: need 3 channels in dimension 1");
  CHECK(error_of([] { nn::BatchNorm1d(3)->output_shape({2}); }) ==
        "BatchNorm1d: input of shape [2]: need 2 or 3 dimensions");
  CHECK(error_of([] {
          nn::BatchNorm1d(3)(backflow::ones({1, 3}));
        }) == "batch_norm: input f32[1, 3]: need more than 1 value per channel when training");
  CHECK(error_of([] {
          nn::LayerNorm(std::vector<std::int64_t>{3})->output_shape({2, 4});
        }) == "layer_norm: input of shape [2, 4]: need one that ends in [3]");
  CHECK(error_of([] { nn::GroupNorm(2, 3); }) ==
        "group_norm: 2 groups of 3 channels: need a number of groups that divides that of channels");
  CHECK(error_of([] { nn::BatchNorm1d(-1); }) == "norm: -1 features: need a number >= 0");
}
