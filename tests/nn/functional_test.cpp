// Values are PyTorch 1.13's.
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

namespace F = backflow::nn::functional;
namespace nn = backflow::nn;
using backflow::kFloat64;
using backflow::Tensor;

namespace {

Tensor scores() { return backflow::tensor({{1.0, 2.0, 3.0}, {0.5, -1.5, 2.5}}, kFloat64); }
Tensor classes() { return backflow::tensor({2, 0}); }
Tensor values() { return backflow::tensor({{0.5, 2.5, 2.0}, {1.5, -1.0, 0.0}}, kFloat64); }

void check_values(const Tensor& y, const std::vector<double>& expected) {
  REQUIRE(y.numel() == static_cast<std::int64_t>(expected.size()));
  const double* data = y.contiguous().data_ptr<double>();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(data[i] == Approx(expected[i]).epsilon(1e-11));
  }
}

}  // namespace

TEST_CASE("functional: cross-entropy", "[nn]") {
  check_values(F::cross_entropy(scores(), classes()), {1.275268796472});
  check_values(F::cross_entropy(scores(), classes(), F::CrossEntropyFuncOptions().reduction(backflow::kSum)),
               {2.550537592944});
  check_values(F::cross_entropy(scores(), classes(), F::CrossEntropyFuncOptions().reduction(backflow::kNone)),
               {0.407605964444, 2.142931628500});
  nn::CrossEntropyLoss loss(nn::CrossEntropyLossOptions().reduction(backflow::kSum));
  check_values(loss(scores(), classes()), {2.550537592944});
  check_values(nn::CrossEntropyLoss()(scores(), classes()), {1.275268796472});
  CHECK_THROWS_WITH(F::cross_entropy(scores(), backflow::tensor({2, 3})), ContainsSubstring("need a class in [0, 3)"));
}

TEST_CASE("functional: log-softmax and its likelihood", "[nn]") {
  const Tensor y = F::log_softmax(scores(), 1);
  check_values(y,
               {-2.407605964444, -1.407605964444, -0.407605964444, -2.142931628500, -4.142931628500, -0.142931628500});
  check_values(F::nll_loss(y, classes()), {1.275268796472});
  check_values(nn::NLLLoss()(y, classes()), {1.275268796472});
}

TEST_CASE("functional: squared error", "[nn]") {
  check_values(F::mse_loss(scores(), values()), {1.5});
  check_values(F::mse_loss(scores(), values(), F::MSELossFuncOptions(backflow::kSum)), {9});
  check_values(F::mse_loss(scores(), values(), F::MSELossFuncOptions().reduction(backflow::kNone)),
               {0.25, 0.25, 1, 1, 0.25, 6.25});
  check_values(nn::MSELoss()(scores(), values()), {1.5});
  CHECK_THROWS_WITH(F::mse_loss(scores(), classes()), ContainsSubstring("need one shape"));
}

TEST_CASE("functional: linear and activations", "[nn]") {
  const Tensor w = backflow::tensor({{1.0, -2.0, 0.5}, {0.25, 1.5, -1.0}}, kFloat64);
  const Tensor b = backflow::tensor({0.125, -0.5}, kFloat64);
  check_values(F::linear(scores(), w, b), {-1.375, -0.25, 4.875, -5.125});
  check_values(F::linear(scores(), w), {-1.5, 0.25, 4.75, -4.625});
  check_values(F::relu(scores()), {1, 2, 3, 0.5, 0, 2.5});
  check_values(F::tanh(backflow::tensor({0.5}, kFloat64)), {0.46211715726000975});
  check_values(F::sigmoid(backflow::tensor({0.5}, kFloat64)), {0.6224593312018546});
  check_values(nn::ReLU()(scores()), {1, 2, 3, 0.5, 0, 2.5});
}
