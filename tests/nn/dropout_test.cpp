#include <cmath>
#include <string>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

namespace nn = backflow::nn;
namespace F = backflow::nn::functional;
using backflow::Tensor;
using backflow::test::bitwise_equal;

TEST_CASE("dropout: in training, elements are zero or scaled; the gradient has the same mask", "[nn]") {
  backflow::manual_seed(1);
  nn::Dropout dropout(0.25);
  const Tensor x = backflow::ones({40, 50}).requires_grad_();
  const Tensor y = dropout(x);
  int zeros = 0;
  for (const double value : backflow::test::array_of(y.detach()).data) {
    CHECK((value == 0 || value == static_cast<double>(1.0F / 0.75F)));
    zeros += value == 0 ? 1 : 0;
  }
  CHECK(std::abs(zeros - 500) < 100);
  y.sum().backward();
  CHECK(bitwise_equal(x.grad(), y.detach()));
  CHECK_FALSE(bitwise_equal(dropout(x), y));
  backflow::manual_seed(1);
  CHECK(bitwise_equal(dropout(x), y));
}

TEST_CASE("dropout: in evaluation, and with p = 0, the input itself", "[nn]") {
  nn::Dropout dropout;
  const Tensor x = backflow::test::random_tensor({3, 4}, "x");
  dropout->eval();
  CHECK(dropout(x).is_same(x));
  CHECK(F::dropout(x, F::DropoutFuncOptions().training(false)).is_same(x));
  CHECK(F::dropout(x, F::DropoutFuncOptions().p(0)).is_same(x));
  CHECK(bitwise_equal(F::dropout(backflow::ones(3), F::DropoutFuncOptions().p(1)), backflow::zeros(3)));
  CHECK(F::dropout(backflow::ones({0, 3})).sizes() == backflow::IntArrayRef({0, 3}));
  const Tensor z = backflow::ones(8);
  CHECK(F::dropout(z, F::DropoutFuncOptions().inplace(true)).is_same(z));
}

TEST_CASE("dropout and gelu: printing and mistakes", "[nn]") {
  CHECK(backflow::concat(*nn::Dropout(0.5)) == "Dropout(p=0.5, inplace=False)");
  CHECK(backflow::concat(*nn::GELU()) == "GELU(approximate='none')");
  CHECK_THROWS_WITH(nn::Dropout(1.5), Equals("dropout: p 1.5: need a number in [0, 1]"));
  CHECK_THROWS_WITH(F::dropout(backflow::ones(1), F::DropoutFuncOptions().p(-1)), ContainsSubstring("p -1"));
  const Tensor x = backflow::test::random_tensor({9}, "x");
  CHECK(bitwise_equal(nn::GELU()(x), backflow::gelu(x)));
  CHECK(bitwise_equal(nn::GELU(nn::GELUOptions().approximate("tanh"))(x), backflow::gelu(x, "tanh")));
}
