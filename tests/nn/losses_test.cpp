// The modules of losses, their options and their buffers. Values are PyTorch 1.13's.
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/engines.h>

namespace F = backflow::nn::functional;
namespace nn = backflow::nn;
using backflow::DimVector;
using backflow::kFloat64;
using backflow::Tensor;

namespace {

Tensor scores() { return backflow::tensor({{1.0, 2.0, 3.0}, {0.5, -1.5, 2.5}}, kFloat64); }
Tensor values() { return backflow::tensor({{0.5, 2.5, 2.0}, {1.5, -1.0, 0.0}}, kFloat64); }
Tensor classes() { return backflow::tensor({2, 0}); }

template <class Module>
std::string printed(const Module& module) {
  std::ostringstream stream;
  stream << module;
  return stream.str();
}

}  // namespace

TEST_CASE("losses: defaults of the options are libtorch's", "[nn]") {
  CHECK(nn::CrossEntropyLossOptions().ignore_index() == -100);
  CHECK(nn::CrossEntropyLossOptions().label_smoothing() == 0);
  CHECK(nn::CrossEntropyLossOptions().reduction() == backflow::kMean);
  CHECK(!nn::CrossEntropyLossOptions().weight().defined());
  CHECK(nn::SmoothL1LossOptions().beta() == 1);
  CHECK(nn::HuberLossOptions(backflow::kSum).delta() == 1);
  CHECK(nn::HingeEmbeddingLossOptions().margin() == 1);
  CHECK(nn::MarginRankingLossOptions().margin() == 0);
  CHECK(nn::CosineEmbeddingLossOptions().margin() == 0);
  CHECK(nn::MultiMarginLossOptions().margin(0.5).p(2).margin() == 0.5);
  CHECK(nn::MultiMarginLossOptions().p() == 1);
  CHECK(nn::TripletMarginLossOptions().eps() == 1e-6);
  CHECK(!nn::TripletMarginLossOptions().swap());
  CHECK(nn::PoissonNLLLossOptions().log_input());
  CHECK(nn::CosineSimilarityOptions().dim() == 1);
  CHECK(nn::PairwiseDistanceOptions().p() == 2);
}

TEST_CASE("losses: weights are buffers", "[nn]") {
  const Tensor weight = backflow::tensor({0.5F, 1.0F, 2.0F});
  nn::CrossEntropyLoss loss(nn::CrossEntropyLossOptions().weight(weight));
  REQUIRE(loss->named_buffers().size() == 1);
  CHECK(loss->named_buffers().contains("weight"));
  CHECK(loss->parameters().empty());
  loss->to(kFloat64);  // so that the weight goes with scores in float64
  CHECK(loss(scores(), classes()).item<double>() == Approx(0.754671));
  nn::BCEWithLogitsLoss logits(nn::BCEWithLogitsLossOptions().weight(weight).pos_weight(weight.clone()));
  CHECK(logits->named_buffers().size() == 2);
  CHECK(logits->named_buffers().contains("pos_weight"));
  CHECK(nn::NLLLoss()->buffers().empty());
}

TEST_CASE("losses: kBatchMean is of kl_div alone", "[nn]") {
  const Tensor log_p = backflow::log_softmax(scores(), 1);
  const Tensor p = backflow::softmax(values(), 1);
  const double sum = F::kl_div(log_p, p, F::KLDivFuncOptions(backflow::kSum)).item<double>();
  CHECK(F::kl_div(log_p, p, F::KLDivFuncOptions(backflow::kBatchMean)).item<double>() == Approx(sum / 2));
  CHECK(F::kl_div(log_p, p).item<double>() == Approx(sum / 6));
  CHECK_THROWS_WITH(F::mse_loss(log_p, p, F::MSELossFuncOptions(backflow::kBatchMean)),
                    "mse_loss: reduction kBatchMean: need kNone, kMean or kSum; kl_div alone has it");
}

TEST_CASE("losses: a mean over nothing is NaN", "[nn]") {
  const Tensor none = backflow::zeros({0, 3});
  CHECK(std::isnan(F::mse_loss(none, none).item<double>()));
  CHECK(std::isnan(F::cross_entropy(none, backflow::zeros({0}, backflow::kInt64)).item<double>()));
  CHECK(std::isnan(F::cross_entropy(scores(), backflow::full({2}, -100, backflow::kInt64)).item<double>()));
  CHECK(F::mse_loss(none, none, F::MSELossFuncOptions(backflow::kSum)).item<double>() == 0);
}

TEST_CASE("losses: cross-entropy keeps its precision far from zero", "[nn]") {
  // Logits so large that the logarithm of the sum alone would have no digits left.
  Tensor x = (scores().to(backflow::kFloat32) + 1e6).set_requires_grad(true);
  F::cross_entropy(x, classes()).backward();
  const Tensor exact = scores().set_requires_grad(true);
  F::cross_entropy(exact, classes()).backward();
  CHECK(backflow::allclose(x.grad().to(kFloat64), exact.grad(), 1e-5, 1e-6));
  const Tensor infinite = backflow::tensor({{0.0F, -INFINITY, 1.0F}}, backflow::requires_grad());
  const Tensor y = F::cross_entropy(infinite, backflow::tensor({2}));
  CHECK(y.item<double>() == Approx(std::log1p(std::exp(-1.0))));
  y.backward();
  CHECK(infinite.grad()[0][1].item<double>() == 0);
}

TEST_CASE("losses: rows of NaN count only where their class does", "[nn]") {
  const Tensor x = backflow::tensor({{1.0, 2.0}, {NAN, 1.0}}, backflow::requires_grad());
  const Tensor y = F::cross_entropy(x, backflow::tensor({0, -100}));
  CHECK(y.item<double>() == Approx(std::log1p(std::exp(1.0))));
  y.backward();
  CHECK(x.grad()[1][0].item<double>() == 0);
  CHECK(std::isnan(F::cross_entropy(x, backflow::tensor({0, 1})).item<double>()));
}

TEST_CASE("losses: names of nodes and modules", "[nn]") {
  const Tensor x = scores().set_requires_grad(true);
  CHECK(F::cross_entropy(x, classes()).grad_fn()->name() == "NllLossBackward0");
  CHECK(F::nll_loss(x, classes()).grad_fn()->name() == "NllLossBackward0");
  CHECK(F::nll_loss(x.unsqueeze(2), classes().unsqueeze(1)).grad_fn()->name() == "NllLoss2DBackward0");
  CHECK(F::mse_loss(x, values()).grad_fn()->name() == "MseLossBackward0");
  CHECK(F::smooth_l1_loss(x, values()).grad_fn()->name() == "SmoothL1LossBackward0");
  CHECK(F::huber_loss(x, values()).grad_fn()->name() == "HuberLossBackward0");
  CHECK(F::binary_cross_entropy_with_logits(x, values()).grad_fn()->name() == "BinaryCrossEntropyWithLogitsBackward0");
  CHECK(F::soft_margin_loss(x, values()).grad_fn()->name() == "SoftMarginLossBackward0");
  CHECK(printed(nn::CrossEntropyLoss()) == "CrossEntropyLoss()");
  CHECK(printed(nn::TripletMarginLoss()) == "TripletMarginLoss()");
}

TEST_CASE("losses: binary_cross_entropy's dimensions of size 1 don't count, the functional's do", "[nn]") {
  const auto probabilities = [] {
    return backflow::tensor({0.25, 0.5, 0.75, 0.125}, kFloat64).view({4, 1}).set_requires_grad(true);
  };
  const Tensor targets = backflow::tensor({1.0, 0.0, 1.0, 0.0}, kFloat64);
  const double sum = -std::log(0.25) - std::log(0.5) - std::log(0.75) - std::log(0.875);
  for (const Tensor& t : {targets, targets.view({4, 1}), targets.view({1, 4}), targets.view({1, 4, 1, 1})}) {
    const Tensor x = probabilities();
    const Tensor y = backflow::binary_cross_entropy(x, t);
    CHECK(y.item<double>() == Approx(sum / 4));
    const Tensor each = backflow::binary_cross_entropy(x, t, {}, backflow::Reduction::None);
    CHECK(DimVector(each.sizes()) == DimVector{4, 1});
    CHECK(each.select(0, 3).item<double>() == Approx(-std::log(0.875)));
    y.backward();  // (x - t) / (x (1 - x)) / 4
    CHECK(x.grad().select(0, 0).item<double>() == Approx(-1.0));
    CHECK(x.grad().select(0, 3).item<double>() == Approx(1 / 0.875 / 4));
  }
  // A target that is repeated gets the sum of its gradients: log((1 - x) / x).
  const Tensor half = backflow::full({1, 1}, 0.5, kFloat64).set_requires_grad(true);
  const Tensor x = probabilities();
  backflow::binary_cross_entropy(x, half, {}, backflow::Reduction::Sum).backward();
  CHECK(DimVector(half.grad().sizes()) == DimVector{1, 1});
  CHECK(half.grad().item<double>() == Approx(std::log(3.0) - std::log(3.0) + std::log(7.0)));
  CHECK(x.grad().select(0, 0).item<double>() == Approx(-0.25 / (0.25 * 0.75)));

  CHECK_THROWS_WITH(F::binary_cross_entropy(x, targets),
                    ContainsSubstring("binary_cross_entropy: input f64[4, 1], target f64[4]: need one shape"));
  CHECK_THROWS_WITH(nn::BCELoss()(x, targets), ContainsSubstring("need one shape"));
  CHECK_THROWS_WITH(backflow::binary_cross_entropy(x, targets.view({2, 2})), ContainsSubstring("need one shape"));
  CHECK_THROWS_WITH(backflow::binary_cross_entropy(x.select(0, 0), targets), ContainsSubstring("need one shape"));
  CHECK_THROWS_WITH(backflow::binary_cross_entropy_with_logits(x, targets), ContainsSubstring("need one shape"));
  CHECK_THROWS_WITH(backflow::mse_loss(x, targets), ContainsSubstring("need one shape"));
}

TEST_CASE("losses: results do not depend on the number of threads", "[nn]") {
  const Tensor x = backflow::randn({300, 1000}).set_requires_grad(true);
  const Tensor t = backflow::randint(0, 1000, {300});
  const Tensor w = backflow::rand({300, 1000});
  std::vector<Tensor> found;
  for (const int threads : {1, 2, 4, 8}) {
    const backflow::test::Threads width(threads);
    const Tensor loss = F::cross_entropy(x, t) + F::mse_loss(x, w) + F::binary_cross_entropy_with_logits(x, w);
    loss.backward();
    found.push_back(loss.detach());
    found.push_back(x.grad());
    x.mutable_grad() = {};
  }
  for (std::size_t i = 2; i < found.size(); ++i) {
    CHECK(backflow::equal(found[i], found[i - 2]));
  }
}
