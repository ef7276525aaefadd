// Custom functions: what they take, keep and hand back.
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/custom_function.h>

#include <cstdint>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/memory/memory.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/custom_functions.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/leaves.h>

using namespace backflow;
using namespace backflow::test;
using autograd::AutogradContext;
using autograd::Function;
using autograd::variable_list;

namespace {

/// x * factor + w * x, with everything that a forward can keep.
struct MyFn : Function<MyFn> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, double factor, const Tensor& w) {
    CHECK_FALSE(GradMode::is_enabled());
    ctx->saved_data["factor"] = factor;
    ctx->save_for_backward({x, w});
    return x * factor + w * x;
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    const variable_list saved = ctx->get_saved_variables();
    return {dy[0] * (saved[1] + ctx->saved_data["factor"].toDouble()), Tensor(), dy[0] * saved[0]};
  }
};

/// Whose forward is the identity, and whose backward is given to each call.
using Backward = std::function<variable_list(AutogradContext*, const variable_list&)>;
struct Given : Function<Given> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, Backward backward) {
    backwards().push_back(std::move(backward));
    ctx->saved_data["key"] = static_cast<std::int64_t>(backwards().size() - 1);
    return x.clone();
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    return backwards()[static_cast<std::size_t>(ctx->saved_data["key"].toInt())](ctx, dy);
  }
  static std::vector<Backward>& backwards() {
    static std::vector<Backward> all;
    return all;
  }
};

struct Square : Function<Square> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    ctx->save_for_backward({x});
    return x * x;
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    return {dy[0] * 2 * ctx->get_saved_variables()[0]};
  }
};

struct Once : Square {
  static constexpr bool once_differentiable = true;
  static Tensor apply(const Tensor& x) { return Function<Square>::apply<Once>(x); }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    CHECK_FALSE(GradMode::is_enabled());
    return Square::backward(ctx, std::move(dy));
  }
};

}  // namespace

TEST_CASE("custom functions: operands, numbers, saved tensors; their name") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0, 2.0});
    const Tensor w = leaf({3.0, 4.0});
    const Tensor y = MyFn::apply(x, 10.0, w);
    CHECK(y.grad_fn()->name() == "MyFnBackward");
    std::ostringstream out;
    out << y;
    CHECK(out.str() == "tensor([13., 28.], grad_fn=<MyFnBackward>)");
    y.sum().backward();
    CHECK(bitwise_equal(x.grad(), tensor({13.0, 14.0})));
    CHECK(bitwise_equal(w.grad(), tensor({1.0, 2.0})));
  }
}

TEST_CASE("custom functions: nothing is recorded with recording off or for operands that need none") {
  const Tensor x = leaf({1.0, 2.0});
  CHECK_FALSE(MyFn::apply(x.detach(), 1.0, x.detach()).requires_grad());
  const NoGradGuard no_grad;
  CHECK_FALSE(MyFn::apply(x, 1.0, x).requires_grad());
}

TEST_CASE("custom functions: saved_data holds every kind of value, and says when another is asked for") {
  struct Kinds : Function<Kinds> {
    static Tensor forward(AutogradContext* ctx, const Tensor& x, const std::string& text) {
      ctx->saved_data["tensor"] = x;
      ctx->saved_data["bool"] = true;
      ctx->saved_data["int"] = 3;
      ctx->saved_data["double"] = 1.5;
      ctx->saved_data["string"] = text;
      ctx->saved_data["ints"] = std::vector<std::int64_t>{1, 2};
      ctx->saved_data["sizes"] = x.sizes();
      ctx->saved_data["doubles"] = std::vector<double>{0.5};
      ctx->saved_data["tensors"] = std::vector<Tensor>{x, x};
      return x * 2;
    }
    static variable_list backward(AutogradContext* ctx, variable_list dy) {
      auto& data = ctx->saved_data;
      CHECK(data["tensor"].toTensor().numel() == 2);
      CHECK(data["bool"].toBool());
      CHECK(data["int"].toInt() == 3);
      CHECK(data["int"].toDouble() == 3.0);
      CHECK(data["double"].toDouble() == 1.5);
      CHECK(data["string"].toStringRef() == "text");
      CHECK(data["ints"].toIntVector() == std::vector<std::int64_t>{1, 2});
      CHECK(data["sizes"].toIntVector() == std::vector<std::int64_t>{2});
      CHECK(data["doubles"].toDoubleVector() == std::vector<double>{0.5});
      CHECK(data["tensors"].toTensorVector().size() == 2);
      CHECK(data["nothing"].isNone());
      CHECK_THROWS_WITH(data["int"].toTensor(), StartsWith("IValue: asked for a tensor, holds an integer"));
      return {dy[0] * 2, Tensor()};
    }
  };
  const Tensor x = leaf({1.0, 2.0});
  Kinds::apply(x, std::string("text")).sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({2.0, 2.0})));
}

TEST_CASE("custom functions: save operands, results, intermediates and undefined tensors") {
  struct Saving : Function<Saving> {
    static Tensor forward(AutogradContext* ctx, const Tensor& x) {
      const Tensor half = x * 0.5;
      Tensor y = (half + half).exp();
      ctx->save_for_backward({x, half, Tensor(), y});
      return y;
    }
    static variable_list backward(AutogradContext* ctx, variable_list dy) {
      const variable_list saved = ctx->get_saved_variables();
      CHECK(saved.size() == 4);
      CHECK(saved[0].requires_grad());
      CHECK_FALSE(saved[1].requires_grad());
      CHECK_FALSE(saved[2].defined());
      return {dy[0] * saved[3]};
    }
  };
  const Tensor x = tensor({1.0}, TensorOptions(kFloat64).requires_grad(true));
  const std::int64_t before = memory_stats().current_bytes;
  {
    const Tensor y = Saving::apply(x);
    const double e = y.item<double>();
    const Tensor dx = autograd::grad({y}, {x}, {}, true, true)[0];
    CHECK(dx.item<double>() == e);
    const Tensor ddx = autograd::grad({dx}, {x}, {}, true, true)[0];
    CHECK(ddx.item<double>() == Approx(e));
    CHECK(autograd::grad({ddx}, {x})[0].item<double>() == Approx(e));
  }
  CHECK(memory_stats().current_bytes == before);
}

TEST_CASE("custom functions: a second backward needs retain_graph only when tensors were saved") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor same = Same::apply(x).sum();
  same.backward();
  same.backward();
  CHECK(bitwise_equal(x.grad(), tensor({14.0, 14.0})));
  const Tensor y = MyFn::apply(x, 1.0, x).sum();
  y.backward();
  CHECK_THROWS_WITH(y.backward(), StartsWith("backward of MyFnBackward: the graph was freed by an earlier backward: "
                                             "need retain_graph=true"));
}

TEST_CASE("custom functions: a saved tensor that was changed in place is an error") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor w = x * 1;
  const Tensor y = MyFn::apply(x, 1.0, w);
  w.add_(1);
  CHECK_THROWS_WITH(y.sum().backward(),
                    ContainsSubstring("a tensor saved for backward (f32[2], output 0 of AddBackward0) was changed"));
}

TEST_CASE("custom functions: gradients are summed and cast to their operand, or are errors") {
  const Tensor x = leaf({1.0, 2.0});
  const auto result = [&](const Backward& backward) {
    x.mutable_grad() = Tensor();
    Given::apply(x, backward).sum().backward();
    return x.grad();
  };
  CHECK(bitwise_equal(result([](auto*, auto&) { return variable_list{ones({3, 2}), Tensor()}; }), tensor({3.0, 3.0})));
  CHECK(bitwise_equal(result([](auto*, auto&) { return variable_list{ones({2}, kFloat64), Tensor()}; }), ones({2})));
  CHECK_FALSE(result([](auto*, auto&) { return variable_list{Tensor(), Tensor()}; }).defined());
  CHECK(result([](auto*, auto& dy) { return variable_list{dy[0], Tensor(), Tensor()}; }).defined());
  CHECK_THROWS_WITH(result([](auto*, auto&) {
                      return variable_list{ones({3}), Tensor()};
                    }),
                    Equals("backward of GivenBackward: GivenBackward: its backward returned f32[3] for operand 0: need "
                           "f32[2]"));
  CHECK_THROWS_WITH(result([](auto*, auto& dy) { return variable_list{dy[0]}; }),
                    ContainsSubstring("its backward returned 1 gradients: need 2"));
  CHECK_THROWS_WITH(result([](auto*, auto& dy) {
                      return variable_list{dy[0], Tensor(), dy[0]};
                    }),
                    ContainsSubstring("its backward returned 3 gradients: need 2"));
  CHECK_THROWS_WITH(result([](auto*, auto& dy) {
                      return variable_list{dy[0], dy[0]};
                    }),
                    ContainsSubstring("returned a gradient for argument 1, which is no tensor"));
  CHECK_THROWS_WITH(result([](auto*, auto&) -> variable_list { fail("mine: bad: need good"); }),
                    Equals("backward of GivenBackward: mine: bad: need good"));
  CHECK_THROWS_AS(result([](auto*, auto&) -> variable_list { throw std::out_of_range("mine"); }), std::out_of_range);
}

TEST_CASE("custom functions: needs_input_grad in forward and backward, also around another function") {
  struct Needs : Function<Needs> {
    static Tensor forward(AutogradContext* ctx, const Tensor& a, const Tensor& b, const Tensor& c) {
      ctx->saved_data["forward"] =
          std::vector<std::int64_t>{ctx->needs_input_grad(0), ctx->needs_input_grad(1), ctx->needs_input_grad(2)};
      return a + b + c;
    }
    static variable_list backward(AutogradContext* ctx, variable_list dy) {
      CHECK(ctx->saved_data["forward"].toIntVector() == std::vector<std::int64_t>{1, 0, 1});
      seen() = {ctx->needs_input_grad(0), ctx->needs_input_grad(1), ctx->needs_input_grad(2)};
      CHECK_THROWS_WITH(ctx->needs_input_grad(3), StartsWith("needs_input_grad: 3 of NeedsBackward"));
      return {dy[0], dy[0], dy[0]};
    }
    static std::vector<bool>& seen() {
      static std::vector<bool> last;
      return last;
    }
  };
  const Tensor a = leaf({1.0});
  const Tensor b = tensor({1.0});
  const Tensor c = leaf({1.0});
  const Tensor y = Needs::apply(a, b, c);
  y.backward();
  CHECK(Needs::seen() == std::vector<bool>{true, false, true});
  autograd::grad({y}, {c});
  CHECK(Needs::seen() == std::vector<bool>{false, false, true});
  // Inside a backward that wants nothing of its second operand.
  const Tensor outer = Given::apply(a, [&](AutogradContext*, const variable_list& dy) {
    const AutoGradMode recording(true);
    Needs::apply(a, b, c).backward();
    CHECK(Needs::seen() == std::vector<bool>{true, false, true});
    return variable_list{dy[0], Tensor()};
  });
  outer.backward();
}

TEST_CASE("custom functions: double backward, unless it is differentiable once") {
  const Tensor x = leaf({3.0});
  const Tensor dx = autograd::grad({Square::apply(x) * x}, {x}, {}, true, true)[0];
  CHECK(dx.item<float>() == 27);
  CHECK(autograd::grad({dx}, {x})[0].item<float>() == 18);
  const Tensor once = Once::apply(x);
  CHECK(autograd::grad({once}, {x}, {}, true)[0].item<float>() == 6);
  const Tensor d = autograd::grad({once * x}, {x}, {}, true, true)[0];
  CHECK(d.item<float>() == 27);
  CHECK_THROWS_WITH(autograd::grad({d}, {x}), ContainsSubstring("OnceBackward is differentiable once"));
}

TEST_CASE("custom functions: memory is back when the graph is gone") {
  const std::int64_t before = memory_stats().current_bytes;
  {
    const Tensor x = ones({256, 256}, requires_grad());
    Tensor y = x;
    for (int i = 0; i < 20; ++i) {
      y = MyFn::apply(y, 0.5, x);
    }
    y.sum().backward();
    y = MyFn::apply(x, 1.0, y);
  }
  CHECK(memory_stats().current_bytes - before < 1 << 17);
}
