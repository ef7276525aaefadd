// What custom functions return: several results, operands that were changed or are passed on, views.
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/custom_function.h>

#include <cstdint>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/memory/memory.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/custom_functions.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/leaves.h>

using namespace backflow;
using namespace backflow::test;
using autograd::AutogradContext;
using autograd::Function;
using autograd::variable_list;

namespace {

/// Two results, of which a call may leave one without a gradient.
struct Split : Function<Split> {
  static variable_list forward(AutogradContext* ctx, const Tensor& x, bool materialize) {
    ctx->set_materialize_grads(materialize);
    return {x * 2, x * 3};
  }
  static variable_list backward(AutogradContext*, variable_list dy) {
    seen() = dy;
    Tensor dx = zeros({2});
    for (std::size_t i = 0; i < dy.size(); ++i) {
      dx = dy[i].defined() ? dx + dy[i] * (2.0 + static_cast<double>(i)) : dx;
    }
    return {dx, Tensor()};
  }
  static variable_list& seen() {
    static variable_list last;
    return last;
  }
};

struct Double_ : Function<Double_> {  // NOLINT(readability-identifier-naming): an operation in place
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    x.mul_(2);
    ctx->mark_dirty({x});
    return x;
  }
  static variable_list backward(AutogradContext*, variable_list dy) { return {dy[0] * 2}; }
};

struct Exp_ : Function<Exp_> {  // NOLINT(readability-identifier-naming)
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    x.copy_(x.exp());
    ctx->mark_dirty({x});
    ctx->save_for_backward({x});
    return x;
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    return {dy[0] * ctx->get_saved_variables()[0]};
  }
};

}  // namespace

TEST_CASE("custom functions: several results, whose missing gradients are zeros unless said otherwise") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0, 2.0});
    variable_list y = Split::apply(x, true);
    (y[0].sum() + y[1].sum()).backward({}, true);
    CHECK(bitwise_equal(x.grad(), tensor({5.0, 5.0})));
    y[1].sum().backward();
    CHECK(bitwise_equal(Split::seen()[0], zeros({2})));
    y = Split::apply(x, false);
    y[1].sum().backward();
    CHECK_FALSE(Split::seen()[0].defined());
    CHECK(Split::seen()[1].defined());
    CHECK(bitwise_equal(x.grad(), tensor({11.0, 11.0})));
    Split::seen().clear();
  }
}

TEST_CASE("custom functions: backward runs even when no gradient comes at all") {
  const Tensor x = leaf({1.0, 2.0});
  const variable_list y = Split::apply(x, true);
  recorded(y[0], {y[0]}, [](NodeCall&) {}).sum().backward();
  CHECK(bitwise_equal(x.grad(), zeros({2})));
  const variable_list z = Split::apply(x, false);
  recorded(z[0], {z[0]}, [](NodeCall&) {}).sum().backward();
  CHECK_FALSE(Split::seen()[0].defined());
  Split::seen().clear();
}

TEST_CASE("custom functions: results that are not differentiable, or undefined") {
  struct Sorted : Function<Sorted> {
    static variable_list forward(AutogradContext* ctx, const Tensor& x) {
      const Tensor floor = x * 0;
      ctx->mark_non_differentiable({floor});
      return {x * 2, floor, x.to(kInt64), Tensor()};
    }
    static variable_list backward(AutogradContext*, variable_list dy) {
      CHECK(dy.size() == 4);
      CHECK(bitwise_equal(dy[1], zeros({2})));
      CHECK_FALSE(dy[3].defined());
      return {dy[0] * 2};
    }
  };
  const Tensor x = leaf({1.0, 2.0});
  const variable_list y = Sorted::apply(x);
  CHECK(y[0].requires_grad());
  CHECK_FALSE(y[1].requires_grad());
  CHECK_FALSE(y[2].requires_grad());
  CHECK_FALSE(y[3].defined());
  y[0].sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({2.0, 2.0})));
}

TEST_CASE("custom functions: dirty operands") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = x * 1;
  const std::uint32_t version = y._version();
  const Tensor z = Double_::apply(y);
  CHECK(z.is_same(y));
  CHECK(y._version() > version);
  CHECK(y.grad_fn()->name() == "Double_Backward");
  (y * y).sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({8.0, 16.0})));
  CHECK_THROWS_WITH(Double_::apply(x), StartsWith("Double_Backward: f32[2] is a leaf that requires a gradient"));
  struct Lost : Function<Lost> {
    static Tensor forward(AutogradContext* ctx, const Tensor& operand) {
      ctx->mark_dirty({operand});
      return operand * 2;
    }
    static variable_list backward(AutogradContext*, variable_list dy) { return dy; }
  };
  CHECK_THROWS_WITH(Lost::apply(x * 1), StartsWith("LostBackward: marks f32[2] dirty but does not return it"));
}

TEST_CASE("custom functions: a dirty view passes its history to the base, saved results included, without a leak") {
  const std::int64_t before = memory_stats().current_bytes;
  {
    const Tensor x = tensor({1.0, 2.0, 3.0}, TensorOptions(kFloat64).requires_grad(true));
    const Tensor y = x * 1;
    const Tensor v = y[1];
    Exp_::apply(v);
    CHECK(y.grad_fn()->name() == "CopySlices");
    const double e = v.item<double>();
    const Tensor dx = autograd::grad({y.sum()}, {x}, {}, true, true)[0];
    CHECK(dx[0].item<double>() == 1);
    CHECK(dx[1].item<double>() == e);
    const Tensor ddx = autograd::grad({dx.sum()}, {x}, {}, true)[0];
    CHECK(ddx[1].item<double>() == Approx(e));
    CHECK(ddx[2].item<double>() == 0);
    y.sum().backward();
    CHECK_THROWS_WITH(y.sum().backward(), ContainsSubstring("the graph was freed"));
  }
  CHECK(memory_stats().current_bytes == before);
  struct Second : Function<Second> {
    static Tensor forward(AutogradContext* ctx, const Tensor&, const Tensor& view) {
      ctx->mark_dirty({view});
      return view;
    }
    static variable_list backward(AutogradContext*, variable_list dy) { return {dy[0], dy[0]}; }
  };
  const Tensor base = leaf({1.0, 2.0}) * 1;
  CHECK_THROWS_WITH(Second::apply(ones({}), base[0]), ContainsSubstring("need it as the first operand"));
}

TEST_CASE("custom functions: dirty integers have no history, and count the change") {
  struct Count : Function<Count> {
    static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& calls) {
      calls.add_(1);
      ctx->mark_dirty({calls});
      return {x * 2, calls};
    }
    static variable_list backward(AutogradContext*, variable_list dy) { return {dy[0] * 2, Tensor()}; }
  };
  const Tensor x = leaf({1.0});
  const Tensor calls = zeros({1}, kInt64);
  const variable_list y = Count::apply(x, calls);
  CHECK(calls.item<std::int64_t>() == 1);
  CHECK_FALSE(y[1].requires_grad());
  y[0].backward();
  CHECK(x.grad().item<float>() == 2);
}

TEST_CASE("custom functions: an operand that is returned keeps its history, the result has its own") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = Same::apply(x);
  CHECK_FALSE(y.is_same(x));
  CHECK(x.is_leaf());
  CHECK(y.data_ptr() == x.data_ptr());
  CHECK(y.grad_fn()->name() == "SameBackward");
  y.sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({7.0, 7.0})));
  const Tensor z = x * 1;
  CHECK(z.grad_fn()->name() == "MulBackward0");
  CHECK_THROWS_WITH(Same::apply(z).mul_(2), ContainsSubstring("is a view made by a custom function"));
}

TEST_CASE("custom functions: a view that one returned must not be changed in place") {
  struct First : Function<First> {
    static Tensor forward(AutogradContext*, const Tensor& x) { return x[0]; }
    static variable_list backward(AutogradContext*, variable_list dy) { return {Tensor(dy[0] * tensor({1.0, 0.0}))}; }
  };
  const Tensor x = leaf({1.0, 2.0}) * 1;
  const Tensor y = First::apply(x);
  CHECK(y.is_view());
  CHECK_THROWS_WITH(y.mul_(2), ContainsSubstring("is a view made by a custom function"));
}
