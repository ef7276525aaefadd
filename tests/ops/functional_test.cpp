#include <backflow/ops/autograd/functional.h>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;
using autograd::variable_list;
using namespace backflow::autograd::functional;

namespace {

bool near(const Tensor& a, const Tensor& b) {
  return a.scalar_type() == b.scalar_type() && distance(array_of(a), array_of(b)) <= 1e-12;
}

Tensor diagonal_matrix(const Tensor& x) {
  const std::int64_t n = x.numel();
  Tensor y = zeros({n, n}, x.scalar_type());
  for (std::int64_t i = 0; i < n; ++i) {
    y[i][i].copy_(x.detach().reshape(-1)[i]);
  }
  return y;
}

Tensor exp_of(const Tensor& x) { return exp(x); }
Tensor cubes(const Tensor& x) { return (x * x * x).sum(); }
/// Outputs x w [2] and sum(x) [], of inputs x [2] and w [].
variable_list two(const variable_list& x) { return {x[0] * x[1], x[0].sum()}; }
/// sum(x^2 w), of inputs x [2] and w [].
Tensor scalar_of_two(const variable_list& x) { return (x[0] * x[0] * x[1]).sum(); }

const Tensor kX = random_tensor({3}, "x", kFloat64);
const Tensor kV = random_tensor({3}, "v", kFloat64);

variable_list two_inputs() { return {tensor({2.0, 3.0}, kFloat64), tensor(5.0, kFloat64)}; }

}  // namespace

TEST_CASE("functional: vjp and jvp of one tensor") {
  const auto [y, dx] = vjp(exp_of, kX, kV);
  CHECK(near(y, exp(kX)));
  CHECK(near(dx, kV * exp(kX)));
  CHECK_FALSE((y.requires_grad() || dx.requires_grad() || kX.requires_grad()));
  const auto [yj, dy] = jvp(exp_of, kX, kV);
  CHECK(near(yj, y));
  CHECK(near(dy, dx));
  CHECK_FALSE(dy.requires_grad());
  CHECK(near(vjp(cubes, kX).second, kX * kX * 3));
  CHECK(near(jvp([](const Tensor& x) { return x * kX; }, tensor(2.0, kFloat64)).second, kX));
}

TEST_CASE("functional: vjp and jvp of several tensors") {
  const auto [y, dx] = vjp(two, two_inputs(), {tensor({1.0, 10.0}, kFloat64), tensor(100.0, kFloat64)});
  CHECK(near(y[0], tensor({10.0, 15.0}, kFloat64)));
  CHECK(near(y[1], tensor(5.0, kFloat64)));
  CHECK(near(dx[0], tensor({105.0, 150.0}, kFloat64)));
  CHECK(near(dx[1], tensor(32.0, kFloat64)));
  const auto [yj, dy] = jvp(two, two_inputs(), {tensor({1.0, 10.0}, kFloat64), tensor(100.0, kFloat64)});
  CHECK(near(yj[0], y[0]));
  CHECK(near(dy[0], tensor({205.0, 350.0}, kFloat64)));
  CHECK(near(dy[1], tensor(11.0, kFloat64)));
}

TEST_CASE("functional: jacobian") {
  CHECK(near(jacobian(exp_of, kX), diagonal_matrix(exp(kX))));
  const auto j = jacobian(two, two_inputs());
  REQUIRE(j.size() == 2);
  CHECK(near(j[0][0], tensor({{5.0, 0.0}, {0.0, 5.0}}, kFloat64)));
  CHECK(near(j[0][1], tensor({2.0, 3.0}, kFloat64)));
  CHECK(near(j[1][0], tensor({1.0, 1.0}, kFloat64)));
  CHECK(near(j[1][1], tensor(0.0, kFloat64)));
  const Tensor x = random_tensor({2, 3}, "shape", kFloat64);
  CHECK(jacobian([](const Tensor& a) { return a.t(); }, x).sizes() == IntArrayRef({3, 2, 2, 3}));
  CHECK(jacobian(exp_of, zeros({0}, kFloat64)).sizes() == IntArrayRef({0, 0}));
  const NoGradGuard guard;
  CHECK(near(jacobian(exp_of, kX), diagonal_matrix(exp(kX))));
}

TEST_CASE("functional: hessian and its products") {
  const Tensor h = hessian(cubes, kX);
  CHECK(near(h, diagonal_matrix(kX * 6)));
  CHECK_FALSE(h.requires_grad());
  const auto [y, hv] = hvp(cubes, kX, kV);
  CHECK(near(y, cubes(kX)));
  CHECK(near(hv, h.matmul(kV)));
  CHECK(near(vhp(cubes, kX, kV).second, kV.matmul(h)));

  const auto blocks = hessian(scalar_of_two, two_inputs());
  CHECK(near(blocks[0][0], tensor({{10.0, 0.0}, {0.0, 10.0}}, kFloat64)));
  CHECK(near(blocks[0][1], tensor({4.0, 6.0}, kFloat64)));
  CHECK(near(blocks[1][0], tensor({4.0, 6.0}, kFloat64)));
  CHECK(near(blocks[1][1], tensor(0.0, kFloat64)));
  const variable_list v = {tensor({1.0, 2.0}, kFloat64), tensor(3.0, kFloat64)};
  for (const variable_list& product :
       {hvp(scalar_of_two, two_inputs(), v).second, vhp(scalar_of_two, two_inputs(), v).second}) {
    CHECK(near(product[0], tensor({22.0, 38.0}, kFloat64)));
    CHECK(near(product[1], tensor(16.0, kFloat64)));
  }
  const auto linear = [](const Tensor& x) { return x.sum(); };
  CHECK(near(hessian(linear, kX), zeros({3, 3}, kFloat64)));
  CHECK(near(hvp(linear, kX, kV).second, zeros({3}, kFloat64)));
  CHECK(near(vhp(linear, kX, kV).second, zeros({3}, kFloat64)));
}

TEST_CASE("functional: with create_graph results are differentiated again") {
  const Tensor x = kX.clone().requires_grad_();
  const Tensor v = kV.clone().requires_grad_();
  jacobian(exp_of, x, true).sum().backward();
  CHECK(near(x.grad(), exp(kX)));

  x.mutable_grad() = Tensor();
  hessian(cubes, x, true).sum().backward();
  CHECK(near(x.grad(), full({3}, 6, kFloat64)));

  for (const bool forward : {false, true}) {
    CAPTURE(forward);
    const Tensor product = (forward ? jvp(exp_of, x, v, true) : vjp(exp_of, x, v, true)).second;
    const auto g = autograd::grad({product.sum()}, {x, v});
    CHECK(near(g[0], kV * exp(kX)));
    CHECK(near(g[1], exp(kX)));
    const Tensor second = (forward ? hvp(cubes, x, v, true) : vhp(cubes, x, v, true)).second;
    const auto gg = autograd::grad({second.sum()}, {x, v});
    CHECK(near(gg[0], kV * 6));
    CHECK(near(gg[1], kX * 6));
  }
  // An input that requires no gradient is no obstacle.
  CHECK(near(jacobian(exp_of, kX, true), diagonal_matrix(exp(kX))));
}

TEST_CASE("functional: what the function uses besides its argument is a constant") {
  const Tensor x = kX.clone().requires_grad_();
  CHECK(near(jacobian([&](const Tensor& a) { return a * x; }, x), diagonal_matrix(kX)));
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("functional: unused inputs have derivative 0, or are an error in strict mode") {
  const auto first = [](const variable_list& x) { return variable_list{x[0] * 2}; };
  const variable_list x = two_inputs();
  const variable_list v = {ones({2}, kFloat64)};
  CHECK(near(vjp(first, x, v).second[1], tensor(0.0, kFloat64)));
  CHECK(near(jacobian(first, x)[0][1], zeros({2}, kFloat64)));
  CHECK(near(jvp(first, x, {v[0], x[1]}).second[0], tensor({2.0, 2.0}, kFloat64)));
  CHECK_THROWS_WITH(vjp(first, x, v, false, true),
                    "vjp: input 1 does not matter to the result: need one that does in strict mode");
  CHECK_THROWS_WITH(jacobian(first, x, false, true),
                    "jacobian: output 0 does not depend on input 1: need one that does in strict mode");
  CHECK_THROWS_WITH(jvp(first, x, {v[0], x[1]}, false, true),
                    "jvp: the gradient of input 1 does not depend on the inputs: need one that does in strict mode");

  const auto constant = [](const Tensor&) { return ones({2}, kFloat64); };
  CHECK(near(jacobian(constant, kX), zeros({2, 3}, kFloat64)));
  CHECK(near(vjp(constant, kX, ones({2}, kFloat64)).second, zeros({3}, kFloat64)));
  CHECK(near(jvp(constant, kX, kV).second, zeros({2}, kFloat64)));
  CHECK_THROWS_WITH(jacobian(constant, kX, false, true),
                    "jacobian: output 0 does not depend on the inputs: need one that does in strict mode");

  const auto linear = [](const Tensor& a) { return a.sum(); };
  for (const auto& product : {hvp(linear, kX, kV, true), vhp(linear, kX, kV, true)}) {
    CHECK(near(product.second, zeros({3}, kFloat64)));
  }
  const std::string message =
      ": the gradient of input 0 does not depend on the inputs: need one that does in strict mode";
  CHECK_THROWS_WITH(hessian(linear, kX, false, true), "hessian" + message);
  CHECK_THROWS_WITH(hvp(linear, kX, kV, false, true), "hvp" + message);
  CHECK_THROWS_WITH(vhp(linear, kX, kV, false, true), "vhp" + message);
  CHECK_THROWS_WITH(jacobian([](const Tensor& a) { return a * 2; }, kX, true, true),
                    "jacobian: the derivative of output 0 at input 0 does not depend on the inputs: need one that does "
                    "in strict mode with create_graph");
}

TEST_CASE("functional: mistakes and their messages") {
  CHECK_THROWS_WITH(vjp(exp_of, kX), "vjp: no v given for 1 output(s): need one, unless there is a single element");
  CHECK_THROWS_WITH(hvp(cubes, kX), "hvp: no v given for 1 input(s): need one, unless there is a single element");
  CHECK_THROWS_WITH(vjp(two, two_inputs(), {kV}), "vjp: 1 tensors in v for 2 output(s): need one for each");
  CHECK_THROWS_WITH(jvp(exp_of, kX, ones({2}, kFloat64)), "jvp: v[0] is f64[2], input 0 f64[3]: need equal shapes");
  CHECK_THROWS_WITH(hessian(exp_of, kX), "hessian: the output is f64[3]: need a single element");
  CHECK_THROWS_WITH(vhp(two, two_inputs(), two_inputs()), "vhp: the function has 2 outputs: need a single one");
  CHECK_THROWS_WITH(jacobian(two, {}), "jacobian: no inputs: need at least one");
}
