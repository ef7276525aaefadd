// Where the rules of the tape meet: hooks and changes in place, views under other modes, gradients of gradients.
#include <string>
#include <thread>
#include <vector>

#include <backflow/tests/compat/torch_api.h>

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void assignment_to_elements() {
  auto x = torch::zeros({2, 3});
  x[0] = 5;
  x[1] = torch::tensor({1.0, 2.0, 3.0});
  x[0][2] = -1.5;
  show("x", x);
  auto row = x[0];
  row = torch::ones({3});
  show("x after its row's name was given away", x);
  auto w = torch::tensor({1.0, 2.0}, torch::requires_grad());
  auto y = torch::zeros({2, 2});
  for (int i = 0; i < 2; ++i) {
    y[i] = w * (i + 1);
  }
  y[0][1] = 7.0;
  show("y", y);
  y.sum().backward();
  show("w.grad", w.grad());
  x[0] += 10;
  x[1] *= x[1];
  show("x", x);
}

void hooks_and_changes() {
  auto x = torch::ones({2}, torch::requires_grad());
  auto y = x * 2;
  y.register_hook([](torch::Tensor g) { show("the value before the change", g); });
  y.mul_(3);
  y.register_hook([](torch::Tensor g) { show("the value after", g); });
  y.sum().backward();
  show("x.grad", x.grad());

  auto order = torch::ones({1}, torch::requires_grad());
  auto h = order * 1;
  h.register_hook([](torch::Tensor) { std::printf("first\n"); });
  h.register_hook([](torch::Tensor g) {
    std::printf("second\n");
    return g * 3;
  });
  h.register_hook([](torch::Tensor g) { show("third", g); });
  h.retain_grad();
  h.backward();
  show("h.grad", h.grad());
  show("order.grad", order.grad());

  auto shared = torch::ones({2}, torch::requires_grad());
  int calls = 0;
  shared.register_hook([&](torch::Tensor g) {
    ++calls;
    show("summed", g);
  });
  (shared * 2 + shared * 3).sum().backward();
  std::printf("calls: %d\n", calls);

  auto p = torch::ones({2}, torch::requires_grad());
  auto captured = torch::Tensor();
  auto q = p * 4;
  q.register_hook([&](torch::Tensor g) { captured = g; });
  auto loss = (q * q).sum();
  loss.backward({}, true, true);
  fact("the hook's gradient is recorded", captured.requires_grad());
  fact("p.grad is recorded", p.grad().requires_grad());
  p.mutable_grad().reset();
  captured.reset();
}

void accumulation() {
  auto x = torch::ones({2}, torch::requires_grad());
  (x * 2).sum().backward();
  auto g = x.grad();
  (x * 3).sum().backward();
  show("the same tensor is added to", g);
  fact("the same", g.is_same(x.grad()));
  x.mutable_grad() = torch::full({2}, 100.0);
  (x * 3).sum().backward();
  show("to another", x.grad());
  x.grad().zero_();
  show("zero", x.grad());
  x.mutable_grad() = torch::Tensor();
  const auto seed = torch::ones({2});
  x.backward(seed);
  show("a leaf's own backward", x.grad());
  fact("its gradient is another tensor's", !x.grad().is_same(seed));
  auto y = x * 2;
  y.backward(torch::ones({2}), false, false, {y});
  show("y.grad", y.grad());
  std::vector<std::thread> threads;
  auto w = torch::ones({1}, torch::requires_grad());
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&w, i] {
      torch::manual_seed(i);
      (w * (i + 1)).sum().backward();
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  show("of four threads", w.grad());
}

void views_and_changes() {
  auto x = torch::ones({4}, torch::requires_grad());
  auto base = x * 1;
  auto a = base.view({2, 2});
  auto b = a[0];
  auto c = base.slice(0, 1, 3);
  fact("a view of a view has the first's base", b._base().is_same(base) && c._base().is_same(base));
  c.mul_(5);
  std::printf("%s\n", c.grad_fn()->name().c_str());
  b.mul_(2);
  show("base", base);
  (a * torch::tensor({{1.0, 10.0}, {100.0, 1000.0}})).sum().backward();
  show("x.grad", x.grad());
  x.mutable_grad().zero_();

  torch::Tensor unrecorded;
  auto d = x * 1;
  {
    torch::NoGradGuard guard;
    unrecorded = d.view({2, 2});
    fact("a view made without recording", unrecorded.is_view());
    unrecorded.mul_(3);
  }
  throws("is changed with recording", [&] { unrecorded.mul_(2); });
  d.sum().backward();
  show("x.grad", x.grad());

  auto e = x * 1;
  auto detached = e.detach();
  fact("detach makes a view", detached.is_view());
  detached.zero_();
  e.sum().backward();
  auto f = x.exp();
  f.detach().zero_();
  throws("zeroed behind its back", [&] { f.sum().backward(); });
  auto constant = torch::zeros({2, 2});
  auto part = constant[1];
  part.mul_(x.slice(0, 0, 2));
  fact("the base of a changed view requires a gradient", constant.requires_grad());
  fact("a view made before, too", constant[0].requires_grad() && part.requires_grad());
  auto t = torch::ones({2, 3}).t();
  t.requires_grad_();
  fact("a view off the tape may be a leaf", t.is_leaf() && t.is_view());
  auto expanded = torch::ones({1}, torch::requires_grad()).expand({3});
  throws("changed through an expanded view", [&] { expanded.add_(1); });
  auto same = (x * 2).view({-1});
  same.add_(same);
  show("added to itself", same);
  auto m = torch::ones({2, 2}, torch::requires_grad());
  auto n = m.clone();
  n.diagonal().mul_(4);
  n.transpose(0, 1)[0].add_(1);
  n.squeeze().unsqueeze(0).permute({2, 1, 0}).mul_(2);
  show("n", n);
  n.sum().backward();
  show("m.grad", m.grad());
}

void second_order() {
  auto x = torch::tensor({0.3, -0.7}, torch::dtype(torch::kDouble).requires_grad(true));
  auto y = (x.sin() * x.exp()).sum();
  y.backward({}, c10::nullopt, true);
  show("first", x.grad());
  auto first = x.grad();
  x.mutable_grad().reset();
  first.sum().backward();
  show("second", x.grad());
  // A Hessian, row by row.
  auto v = torch::tensor({1.0, 2.0, 3.0}, torch::dtype(torch::kDouble).requires_grad(true));
  auto s = v.pow(3).sum() * v.sum();
  auto g = torch::autograd::grad({s}, {v}, {}, true, true)[0];
  for (int i = 0; i < 3; ++i) {
    show("row", torch::autograd::grad({g[i]}, {v}, {}, true)[0]);
  }
  // Through an operation in place.
  auto a = torch::tensor({2.0}, torch::dtype(torch::kDouble).requires_grad(true));
  auto b = a * a;
  b.mul_(a);
  auto db = torch::autograd::grad({b}, {a}, {}, true, true)[0];
  show("3a^2", db);
  show("6a", torch::autograd::grad({db}, {a})[0]);
  // A gradient that takes part in what it is the gradient of.
  auto w = torch::tensor({1.5}, torch::requires_grad());
  auto lookahead = w - 0.1 * torch::autograd::grad({(w * w * w).sum()}, {w}, {}, true, true)[0];
  (lookahead * lookahead).sum().backward();
  show("w.grad", w.grad());
  auto linear = (w * 3).sum();
  auto constant = torch::autograd::grad({linear}, {w}, {}, true, true)[0];
  fact("a constant derivative requires a gradient", constant.requires_grad());
  auto r = torch::relu(torch::tensor({-1.0, 2.0}, torch::requires_grad()) * w);
  show("relu", torch::autograd::grad({r.sum()}, {w})[0]);
}

void inference() {
  auto x = torch::ones({1, 2, 3}, torch::requires_grad());
  torch::Tensor made;
  torch::Tensor normal = x.clone();
  torch::Tensor view;
  const auto before = normal._version();
  {
    c10::InferenceMode guard;
    made = torch::ones({1, 2, 3});
    auto t = made.view({2, 3});
    t.mul_(2);
    fact("a view of an inference tensor is one", t.is_inference() && !t.is_view());
    view = normal.view({2, 3});
    fact("a view of a normal tensor is normal", !view.is_inference() && view.is_view());
    normal.add_(1);
    fact("a change of a normal tensor counts", normal._version() == before + 1);
    fact("and keeps requiring a gradient", normal.requires_grad());
    auto detached = x.detach();
    fact("detached", !detached.is_inference());
    auto copied = made.clone();
    fact("a clone in the mode", copied.is_inference());
    copied.requires_grad_();
    fact("requires a gradient in the mode", copied.requires_grad() && copied.is_leaf());
    auto product = copied * 2;
    fact("but nothing is recorded", product.is_leaf() && !product.requires_grad());
    normal.copy_(torch::zeros({1, 2, 3}));
  }
  throws("a change of a view made in the mode", [&] { view.mul_(2); });
  auto outside = made + 1;
  fact("a result outside is normal", !outside.is_inference());
  fact("a view outside", made.view({6}).is_inference());
  throws("multiplied by what requires a gradient", [&] { x* made; });
  fact("multiplied by a constant", !(torch::ones({3}) * made).is_inference());
  throws("copied into", [&] { made.copy_(x); });
  auto target = x.clone();
  target.copy_(made);
  fact("copied from", target.requires_grad());
  throws("backward of it", [&] { made.sum().backward(); });
  {
    torch::NoGradGuard guard;
    throws("changed without recording", [&] { made.add_(1); });
  }
}

/// Scales every tensor of a list.
struct ScaleAll : torch::autograd::Function<ScaleAll> {
  static variable_list forward(AutogradContext* ctx, torch::TensorList list, double scale) {
    ctx->saved_data["count"] = static_cast<int64_t>(list.size());
    ctx->saved_data["scale"] = scale;
    variable_list y;
    for (const auto& x : list) {
      y.push_back(x * scale);
    }
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    variable_list dx;
    for (const auto& g : dy) {
      dx.push_back(g * ctx->saved_data["scale"].toDouble());
    }
    dx.emplace_back();
    return dx;
  }
};

/// Returns a view of its operand.
struct FirstHalf : torch::autograd::Function<FirstHalf> {
  static torch::Tensor forward(AutogradContext* ctx, torch::Tensor x) {
    ctx->saved_data["sizes"] = x.sizes();
    return x.narrow(0, 0, 2);
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    auto dx = torch::zeros(ctx->saved_data["sizes"].toIntVector());
    dx.narrow(0, 0, 2).copy_(dy[0] * 2);
    return {dx};
  }
};

void lists_and_views() {
  std::vector<torch::Tensor> list = {torch::ones({2}, torch::requires_grad()), torch::ones({3}),
                                     torch::ones({1}, torch::requires_grad())};
  auto y = ScaleAll::apply(torch::TensorList(list), 4.0);
  fact("three", y.size() == 3);
  (y[0].sum() + y[2].sum()).backward();
  show("first", list[0].grad());
  fact("second", list[1].grad().defined());
  show("third", list[2].grad());
  auto x = torch::tensor({1.0, 2.0, 3.0, 4.0}, torch::requires_grad());
  auto half = FirstHalf::apply(x * 1);
  show("half", half);
  half.sum().backward();
  show("x.grad", x.grad());
  auto other = FirstHalf::apply(x * 1);
  throws("the view of a custom function is changed", [&] { other.add_(1); });
}

int main() {
  assignment_to_elements();
  hooks_and_changes();
  accumulation();
  views_and_changes();
  second_order();
  inference();
  lists_and_views();
}
