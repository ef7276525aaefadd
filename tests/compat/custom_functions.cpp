// Functions with a backward of their own, as a program for libtorch writes them.
#include <string>
#include <vector>

#include <backflow/tests/compat/torch_api.h>

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// y = a x + b, whose numbers go through saved_data.
class Affine : public Function<Affine> {
 public:
  static Variable forward(AutogradContext* ctx, Variable x, double a, int64_t b, bool twice) {
    ctx->saved_data["a"] = a;
    ctx->saved_data["b"] = b;
    ctx->saved_data["twice"] = twice;
    ctx->saved_data["name"] = "affine";
    ctx->saved_data["sizes"] = x.sizes();
    ctx->saved_data["x"] = x;
    ctx->saved_data["factors"] = std::vector<double>{a, 2.0};
    return x * a + b;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grad_output) {
    const double a = ctx->saved_data["a"].toDouble();
    const auto sizes = ctx->saved_data["sizes"].toIntVector();
    std::printf("%s: b = %d, %d dimensions, x requires a gradient: %d, a scalar: %d, factors: %d\n",
                ctx->saved_data["name"].toStringRef().c_str(), static_cast<int>(ctx->saved_data["b"].toInt()),
                static_cast<int>(sizes.size()), ctx->saved_data["x"].toTensor().requires_grad(),
                ctx->saved_data["a"].isDouble(), static_cast<int>(ctx->saved_data["factors"].toDoubleVector().size()));
    fact("saved_data has a", ctx->saved_data.count("a") == 1);
    Tensor dx = grad_output[0] * a;
    if (ctx->saved_data["twice"].toBool()) {
      dx = dx * 2;
    }
    return {dx, Variable(), Variable(), Variable()};
  }
};

/// y = w x + c, c may be left out.
struct Linear : Function<Linear> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& w, const c10::optional<Tensor>& c) {
    ctx->save_for_backward({x, w});
    ctx->saved_data["has_c"] = c.has_value();
    auto y = x.mm(w);
    if (c.has_value()) {
      y += c.value();
    }
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& dy) {
    const auto saved = ctx->get_saved_variables();
    Tensor dc;
    if (ctx->saved_data["has_c"].toBool()) {
      dc = dy[0].sum(0);
    }
    return {dy[0].mm(saved[1].t()), saved[0].t().mm(dy[0]), dc};
  }
};

/// exp, differentiable any number of times: backward is written in recorded operations on a saved result.
struct Exp : Function<Exp> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    auto y = x.exp();
    ctx->save_for_backward({y});
    fact("recording in forward", torch::GradMode::is_enabled());
    return y;
  }
  static torch::autograd::tensor_list backward(AutogradContext* ctx, torch::autograd::tensor_list dy) {
    return {dy[0] * ctx->get_saved_variables()[0]};
  }
};

/// Doubles its operand in place.
struct Double_ : Function<Double_> {
  static Tensor forward(AutogradContext* ctx, Tensor x) {
    x.mul_(2);
    ctx->mark_dirty({x});
    return x;
  }
  static variable_list backward(AutogradContext*, variable_list dy) { return {dy[0] * 2}; }
};

/// Sum and difference, and how often the first is larger, which has no gradient.
struct SumAndDifference : Function<SumAndDifference> {
  static variable_list forward(AutogradContext* ctx, const Tensor& a, const Tensor& b, bool materialize) {
    auto larger = torch::ones({1}) * 2;
    ctx->mark_non_differentiable({larger});
    ctx->set_materialize_grads(materialize);
    return {a + b, a - b, larger};
  }
  static variable_list backward(AutogradContext*, variable_list dy) {
    fact("gradients", dy.size() == 3);
    fact("of the sum", dy[0].defined());
    fact("of the difference", dy[1].defined());
    fact("of the third", dy[2].defined());
    const auto ds = dy[0].defined() ? dy[0] : torch::zeros({2});
    const auto dd = dy[1].defined() ? dy[1] : torch::zeros({2});
    return {ds + dd, ds - dd, Tensor()};
  }
};

/// Returns its operand as it is.
struct Identity : Function<Identity> {
  static Tensor forward(AutogradContext*, const Tensor& x) { return x; }
  static variable_list backward(AutogradContext*, variable_list dy) { return {dy[0] * -1}; }
};

/// Ends in an error, or with the wrong number of gradients.
struct Faulty : Function<Faulty> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, int kind) {
    ctx->saved_data["kind"] = kind;
    return x * 1;
  }
  static variable_list backward(AutogradContext* ctx, variable_list) {
    switch (ctx->saved_data["kind"].toInt()) {
      case 0:
        throw std::runtime_error("no gradient today");
      case 1:
        return {};
      case 2:
        return {torch::ones({7}), Tensor()};
      default:
        return {Tensor(), Tensor()};
    }
  }
};

/// Runs a backward in its backward.
struct Reentrant : Function<Reentrant> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    torch::AutoGradMode record(true);
    auto leaf = x.detach().requires_grad_();
    ctx->saved_data["leaf"] = leaf;
    ctx->saved_data["y"] = leaf * leaf * leaf;
    return ctx->saved_data["y"].toTensor().detach();
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    ctx->saved_data["y"].toTensor().backward(dy[0]);
    return {ctx->saved_data["leaf"].toTensor().grad()};
  }
};

void numbers_and_names() {
  auto x = torch::tensor({{1.0, 2.0}}, torch::requires_grad());
  auto y = Affine::apply(x, 3.0, 4, true);
  show("y", y);
  fact("y has a node", y.grad_fn() != nullptr && !y.is_leaf());
  y.sum().backward();
  show("x.grad", x.grad());
  fact("nothing to record", !Affine::apply(torch::ones({1}), 1.0, 0, false).requires_grad());
  {
    torch::NoGradGuard guard;
    fact("recording off", !Affine::apply(x, 1.0, 0, false).requires_grad());
  }
}

void optional_operands() {
  auto x = torch::ones({2, 2}, torch::requires_grad());
  auto w = torch::tensor({{1.0, 2.0}, {3.0, 4.0}}, torch::requires_grad());
  auto c = torch::tensor({0.5, 1.5}, torch::requires_grad());
  auto y = Linear::apply(x, w, c10::optional<Tensor>(c));
  show("y", y);
  y.sum().backward();
  show("x.grad", x.grad());
  show("w.grad", w.grad());
  show("c.grad", c.grad());
  x.mutable_grad().zero_();
  Linear::apply(x, w, c10::optional<Tensor>()).sum().backward();
  show("x.grad without c", x.grad());
  auto constant = torch::ones({2, 2});
  Linear::apply(constant, w, c10::optional<Tensor>(c)).mean().backward();
  fact("a constant has no gradient", !constant.grad().defined());
  show("c.grad", c.grad());
}

void double_backward() {
  auto x = torch::tensor({0.0, 1.0}, torch::dtype(torch::kDouble).requires_grad(true));
  auto y = Exp::apply(x);
  auto dx = torch::autograd::grad({y.sum()}, {x}, {}, true, true)[0];
  auto ddx = torch::autograd::grad({(dx * dx).sum()}, {x}, {}, true)[0];
  show("dx", dx);
  show("d(dx^2)", ddx);
  auto changed = Exp::apply(x);
  {
    torch::NoGradGuard guard;
    changed.add_(1);
  }
  throws("a saved result was changed", [&] { changed.sum().backward(); });
  auto once = Exp::apply(x).sum();
  once.backward();
  throws("freed", [&] { once.backward(); });
}

void dirty() {
  auto x = torch::tensor({1.0, 2.0}, torch::requires_grad());
  auto h = x * 3;
  const auto version = h._version();
  auto y = Double_::apply(h);
  fact("y is h", y.is_same(h));
  fact("the version counts up", h._version() > version);
  show("h", h);
  h.sum().backward();
  show("x.grad", x.grad());
  throws("a leaf can't be dirty", [] {
    auto leaf = torch::ones({2}, torch::requires_grad());
    Double_::apply(leaf);
  });
  auto base = x.clone();
  auto view = base.view({2, 1});
  Double_::apply(view);
  x.mutable_grad().zero_();
  base.sum().backward();
  show("through a view", x.grad());
}

void several_results(bool materialize) {
  auto a = torch::tensor({1.0, 2.0}, torch::requires_grad());
  auto b = torch::tensor({5.0, 7.0}, torch::requires_grad());
  auto y = SumAndDifference::apply(a, b, materialize);
  std::printf("results: %d, of nodes: %d %d\n", static_cast<int>(y.size()), static_cast<int>(y[0].output_nr()),
              static_cast<int>(y[1].output_nr()));
  fact("the same node", y[0].grad_fn() == y[1].grad_fn());
  fact("the third requires a gradient", y[2].requires_grad());
  y[1].sum().backward({}, true);
  show("a.grad", a.grad());
  show("b.grad", b.grad());
  (y[0] * y[1]).sum().backward();
  show("a.grad", a.grad());
}

void passed_on() {
  auto x = torch::tensor({1.0, 2.0}, torch::requires_grad());
  auto y = Identity::apply(x);
  fact("another tensor", !y.is_same(x));
  fact("of the same memory", y.is_alias_of(x));
  y.sum().backward();
  show("x.grad", x.grad());
  auto detached = x.detach();
  fact("a constant stays one", !Identity::apply(detached).requires_grad());
}

void faults() {
  auto x = torch::ones({2}, torch::requires_grad());
  throws("an exception", [&] { Faulty::apply(x, 0).sum().backward(); });
  throws("too few gradients", [&] { Faulty::apply(x, 1).sum().backward(); });
  throws("another shape", [&] { Faulty::apply(x, 2).sum().backward(); });
  Faulty::apply(x, 3).sum().backward();
  fact("an undefined gradient is none", !x.grad().defined());
}

void nested() {
  auto x = torch::tensor({2.0, 3.0}, torch::requires_grad());
  Reentrant::apply(x).sum().backward();
  show("x.grad", x.grad());
}

int main() {
  numbers_and_names();
  optional_operands();
  double_backward();
  dirty();
  several_results(true);
  several_results(false);
  passed_on();
  faults();
  nested();
}
