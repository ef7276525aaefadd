#include <backflow/ops/autograd/gradcheck.h>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/graphs.h>

using namespace backflow;
using namespace backflow::test;
using autograd::gradcheck;
using autograd::GradcheckError;
using autograd::gradgradcheck;
using autograd::variable_list;

namespace {

Tensor leaf(std::vector<std::int64_t> sizes, const char* key = "x") {
  return random_tensor(std::move(sizes), key, kFloat64).requires_grad_();
}

/// x, whose backward is the function `f` of dy instead of dy.
template <class F>
auto identity_with(F f) {
  return [f](const variable_list& x) {
    return recorded(x[0], {x[0]}, [f](NodeCall& call) { call.dx[0] = f(call.dy[0]); });
  };
}

}  // namespace

TEST_CASE("gradcheck: right gradients pass") {
  const auto product = [](const variable_list& x) { return tanh(x[0].matmul(x[1])); };
  CHECK(gradcheck(product, {leaf({2, 3}), leaf({3, 2}, "w")}));
  CHECK(gradgradcheck(product, {leaf({2, 3}), leaf({3, 2}, "w")}));
  const auto several = [](const variable_list& x) { return variable_list{x[0] * x[1], exp(x[0]), x[1].sum()}; };
  CHECK(gradcheck(several, {leaf({2}), leaf({2}, "w")}));
  CHECK(gradgradcheck(several, {leaf({2}), leaf({2}, "w")}));
  CHECK(gradgradcheck(several, {leaf({2}), leaf({2}, "w")}, {leaf({2}, "a"), leaf({2}, "b"), leaf({}, "c")}));
  const NoGradGuard guard;
  CHECK(gradcheck(several, {leaf({2}), leaf({2}, "w")}));
}

TEST_CASE("gradcheck: inputs of every layout, unused, without gradient, the same twice") {
  const auto square = [](const variable_list& x) { return x[0] * x[0]; };
  for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided}) {
    CAPTURE(name(layout));
    const Tensor x = tensor_of(random_array({2, 3}, "x"), kFloat64, layout).requires_grad_();
    const Array before = array_of(x);
    CHECK(gradcheck(square, {x}));
    CHECK(array_of(x).data == before.data);
    CHECK_FALSE(x.grad().defined());
  }
  const auto weighted = [](const variable_list& x) { return x[0] * x[1]; };
  CHECK(gradcheck(weighted, {leaf({3}), random_tensor({3}, "w")}));
  CHECK(gradcheck(square, {leaf({3}), leaf({3}, "unused")}));
  const Tensor x = leaf({3});
  CHECK(gradcheck(weighted, {x, x}));
  CHECK(gradcheck([](const variable_list& a) { return a[0]; }, {x}));
  CHECK(gradcheck(square, {leaf({0})}));
  CHECK(gradcheck(weighted, {leaf({3}) * 2, leaf({3}, "w")}));
}

TEST_CASE("gradcheck: wrong gradients fail, with both Jacobians in the message") {
  const Tensor x = leaf({2});
  const auto doubled = identity_with([](const Tensor& dy) { return dy * 2; });
  CHECK_THROWS_AS(gradcheck(doubled, {x}), GradcheckError);
  CHECK_THROWS_WITH(gradcheck(doubled, {x}),
                    StartsWith("gradcheck: Jacobian mismatch for output 0 with respect to input 0,\nnumerical: ") &&
                        ContainsSubstring("\nanalytical: tensor([[2., 0.],\n        [0., 2.]]"));
  CHECK_FALSE(gradcheck(doubled, {x}, {.raise_exception = false}));
  const auto second = [](const variable_list& a) {
    return variable_list{a[0] * 2, recorded(a[1], {a[1]}, [](NodeCall& call) { call.dx[0] = call.dy[0] * 1.1; })};
  };
  CHECK_THROWS_WITH(gradcheck(second, {x, leaf({2}, "w")}), ContainsSubstring("for output 1 with respect to input 1"));
  // The tolerances are those that were asked for.
  CHECK(gradcheck(second, {x, leaf({2}, "w")}, {.rtol = 0.2}));
  const auto nan = identity_with([](const Tensor& dy) { return dy / zeros_like(dy); });
  CHECK_FALSE(gradcheck(nan, {x}, {.atol = 1e9, .raise_exception = false}));
}

TEST_CASE("gradcheck: a right gradient with a wrong second derivative") {
  // The gradient of x^2 with its history cut: its values are right.
  const auto cut = [](const variable_list& a) {
    const Tensor x = a[0];
    return recorded(x.detach() * x.detach(), {x}, [x](NodeCall& call) { call.dx[0] = call.dy[0] * 2 * x.detach(); });
  };
  CHECK(gradcheck(cut, {leaf({3})}));
  CHECK_THROWS_WITH(gradgradcheck(cut, {leaf({3})}), ContainsSubstring("for output 0 with respect to input 0"));
}

TEST_CASE("gradcheck: backward must be deterministic, linear, and take undefined gradients") {
  const Tensor x = leaf({2});
  int calls = 0;
  const auto drifting = identity_with([&calls](const Tensor& dy) { return dy * (1 + 1e-9 * ++calls); });
  CHECK_THROWS_WITH(gradcheck(drifting, {x}),
                    StartsWith("gradcheck: backward of output 0 is not deterministic: two passes give "));
  CHECK(gradcheck(drifting, {x}, {.nondet_tol = 1e-6}));

  const auto offset = identity_with([](const Tensor& dy) { return dy + 1e-7; });
  CHECK_THROWS_WITH(gradcheck(offset, {x}), ContainsSubstring("for a gradient of zeros of the outputs: need zeros"));

  // Two outputs of one node, whose backward does not expect that one of them has no gradient.
  const auto two = [](bool careful) {
    return [careful](const variable_list& a) {
      class Both final : public Node {
       public:
        Both(const Tensor& x, bool careful) : Node(2), edge_(gradient_edge(x)), careful_(careful) {
          set_edges({&edge_, 1});
        }
        std::string name() const override { return "Both"; }
        void apply(NodeCall& call) override {
          const Tensor zero = zeros({2}, kFloat64);
          if (careful_) {
            call.dx[0] = (call.dy[0].defined() ? call.dy[0] : zero) + (call.dy[1].defined() ? call.dy[1] : zero);
          } else {
            call.dx[0] = (call.dy[0].defined() && call.dy[1].defined()) ? call.dy[0] + call.dy[1] : call.dy[0] + zero;
          }
        }

       private:
        Edge edge_;
        bool careful_;
      };
      const IntrusivePtr<Node> node = Node::make<Both>(a[0], careful);
      variable_list y = {a[0].detach().clone(), a[0].detach().clone()};
      set_history(y[0], node, 0);
      set_history(y[1], node, 1);
      return y;
    };
  };
  CHECK(gradcheck(two(true), {x}));
  CHECK_THROWS_WITH(gradcheck(two(false), {x}), StartsWith("backward of Both: tensor: undefined"));
  const auto filled = [](const variable_list& a) { return a[0] * 2; };
  CHECK(gradcheck(filled, {x}, {.check_undefined_grad = false}));
}

TEST_CASE("gradcheck: outputs without gradient must not depend on the inputs") {
  const Tensor x = leaf({2});
  CHECK(gradcheck([](const variable_list&) { return ones({2}); }, {x}));
  CHECK_THROWS_WITH(gradcheck(
                        [](const variable_list& a) {
                          return variable_list{a[0] * 2, a[0].detach() * 3};
                        },
                        {x}),
                    StartsWith("gradcheck: output 1 requires no gradient, yet depends on input 0"));
}

TEST_CASE("gradcheck: shapes and dtypes of gradients") {
  const Tensor x = leaf({2});
  CHECK_THROWS_WITH(gradcheck(identity_with([](const Tensor& dy) { return dy.sum(); }), {x}),
                    "gradcheck: the gradient of output 0 with respect to input 0 is f64[], the input f64[2]: need "
                    "equal shapes");
  const auto single = identity_with([](const Tensor& dy) { return dy.to(kFloat32); });
  CHECK(gradcheck(single, {x}));
  CHECK_THROWS_WITH(gradcheck(single, {x}, {.check_grad_dtypes = true}),
                    "gradcheck: the gradient of output 0 with respect to input 0 is f32[2], the input f64[2]: need "
                    "equal dtypes");
}

TEST_CASE("gradcheck: mistakes and their messages are no wrong gradients") {
  const auto square = [](const variable_list& x) { return x[0] * x[0]; };
  const autograd::GradcheckOptions quiet{.raise_exception = false};
  CHECK_THROWS_WITH(gradcheck(square, {leaf({2}).detach()}, quiet),
                    "gradcheck: none of 1 inputs requires a gradient: need requires_grad_()");
  CHECK_THROWS_WITH(gradcheck(square, {ones({2}, requires_grad())}, quiet),
                    "gradcheck: input 0 is f32[2]: need float64, since differences are too coarse in others; "
                    "to(kFloat64) gives it");
  CHECK_THROWS_WITH(gradcheck(square, {leaf({3}).expand({2, 3})}, quiet),
                    "gradcheck: input 0 is f64[2, 3] with strides [0, 1], whose elements share memory: need each for "
                    "itself; contiguous() copies them");
  CHECK_THROWS_WITH(gradgradcheck([](const variable_list&) { return ones({2}); }, {leaf({2})}, {}, quiet),
                    "gradgradcheck: no output requires a gradient: need one that does");
}
