// The tape as a program for libtorch meets it: leaves and nodes, backward and grad, hooks, changes in place and views,
// modes, errors.
#include <memory>
#include <string>
#include <vector>

#include <backflow/tests/compat/torch_api.h>

using torch::autograd::variable_list;

void leaves_and_nodes() {
  torch::Tensor x = torch::ones({2, 3}, torch::requires_grad());
  const torch::Tensor constant = torch::ones({2, 3});
  fact("x is a leaf", x.is_leaf());
  fact("x has a node", x.grad_fn() != nullptr);
  fact("a constant is a leaf", constant.is_leaf());
  fact("a constant requires a gradient", constant.requires_grad());
  torch::Tensor y = x * x;
  torch::Tensor z = y.exp().sum();
  fact("y is a leaf", y.is_leaf());
  fact("y requires a gradient", y.requires_grad());
  const auto node = z.grad_fn();
  std::printf("z: %s, output %d\n", node->name().c_str(), static_cast<int>(z.output_nr()));
  std::printf("edges: %d, gradients in: %d, out: %d\n", static_cast<int>(node->next_edges().size()),
              static_cast<int>(node->num_inputs()), static_cast<int>(node->num_outputs()));
  const torch::autograd::Edge& edge = node->next_edge(0);
  fact("the edge is valid", edge.is_valid());
  std::printf("before: %s, input %d\n", edge.function->name().c_str(), static_cast<int>(edge.input_nr));
  const auto both = y.exp() * y.sin();
  for (const auto& next : both.grad_fn()->next_edges()) {
    std::printf("both's: %s\n", next.function->name().c_str());
  }
  const auto product = x * constant;
  fact("a constant's edge is valid", product.grad_fn()->next_edges()[1].is_valid());
  std::printf("out of mul: %d\n", static_cast<int>(product.grad_fn()->num_outputs()));
  fact("the later node has the larger number", node->sequence_nr() > edge.function->sequence_nr());
  throws("integers can't require a gradient", [] { torch::ones({2}, torch::kLong).requires_grad_(); });
  y.detach_();
  fact("y is a leaf after detach_", y.is_leaf() && !y.requires_grad());
}

void backward_arguments() {
  auto x = torch::tensor({1.0, 2.0, 3.0}, torch::requires_grad());
  auto w = torch::tensor({0.5, -1.0, 2.0}, torch::dtype(torch::kFloat).requires_grad(true));
  auto y = x * w;
  throws("a vector needs a gradient", [&] { y.backward(); });
  throws("a gradient of another shape", [&] { y.backward(torch::ones({2})); });
  throws("nothing to differentiate", [] { torch::ones({1}).backward(); });
  y.backward(torch::ones({3}), /*retain_graph=*/true, /*create_graph=*/false);
  show("x.grad", x.grad());
  y.backward(torch::ones_like(y), /*keep_graph=*/c10::optional<bool>(true));
  show("x.grad, twice", x.grad());
  fact("x.grad requires a gradient", x.grad().requires_grad());
  const std::vector<torch::Tensor> only_w = {w};
  w.mutable_grad().reset();
  x.mutable_grad() = torch::Tensor();
  y.backward(torch::full({3}, 2.0), true, false, only_w);
  fact("x.grad is defined", x.grad().defined());
  show("w.grad", w.grad());
  y.backward(torch::ones({3}), c10::nullopt, false, c10::optional<at::TensorList>(only_w));
  show("w.grad, the last pass", w.grad());
  throws("the graph is gone", [&] { y.backward(torch::ones({3})); });

  auto a = torch::tensor({2.0}, torch::requires_grad());
  auto b = a * 3;
  auto c = a * a;
  torch::autograd::backward({b, c}, {torch::ones({1}), torch::full({1}, 10.0)});
  show("two roots", a.grad());
  a.mutable_grad().zero_();
  torch::autograd::backward({(a * a).sum()}, /*grad_tensors=*/{}, /*retain_graph=*/c10::nullopt,
                            /*create_graph=*/false, /*inputs=*/{a});
  show("one root", a.grad());
  const variable_list roots = {a * 2, (a * 5).sum()};
  torch::autograd::backward(roots, {torch::ones({1}), torch::Tensor()});
  show("an undefined gradient", a.grad());
}

void grad_of_grad() {
  auto x = torch::tensor({{1.0, 2.0}, {3.0, 4.0}}, torch::dtype(torch::kDouble).requires_grad(true));
  auto y = (x * x * x).sum();
  auto dx = torch::autograd::grad({y}, {x}, {}, /*retain_graph=*/c10::nullopt, /*create_graph=*/true)[0];
  fact("dx is recorded", dx.requires_grad() && dx.grad_fn() != nullptr);
  auto ddx = torch::autograd::grad({dx.sum()}, {x}, {}, true, true);
  show("second derivative", ddx[0]);
  show("third derivative", torch::autograd::grad({ddx[0]}, {x}, {torch::ones_like(x)})[0]);
  fact("nothing was accumulated", !x.grad().defined());

  auto p = torch::randn({3, 3}, torch::requires_grad());
  auto q = torch::randn({3, 3}, torch::requires_grad());
  auto r = p * p + q * p + q * q;
  r.backward(torch::ones({3, 3}), false, true);
  fact("p.grad", at::allclose(p.grad(), 2 * p + q));
  auto penalty = (p.grad() + q.grad()).mul(2).sum();
  const auto second = torch::autograd::grad({penalty}, {p, q});
  show("penalty", second[0]);
  fact("both are alike", second[0].allclose(second[1]));
  p.mutable_grad().reset();  // p.grad() leads to p again
  q.mutable_grad().reset();

  auto a = torch::ones({2}, torch::requires_grad());
  auto unused = torch::ones({2}, torch::requires_grad());
  throws("an unused input", [&] { torch::autograd::grad({(a * 2).sum()}, {unused}); });
  const auto both = torch::autograd::grad({(a * 2).sum()}, {a, unused}, {}, c10::nullopt, false, true);
  fact("unused", !both[1].defined());
  auto h = a * 3;
  const auto inner = torch::autograd::grad({(h * h).sum()}, {h, a});
  show("of a non-leaf", inner[0]);
  show("of the leaf", inner[1]);
  throws("an input off the tape", [&] { torch::autograd::grad({a.sum()}, {torch::ones({2})}); });
  throws("too many gradients", [&] { torch::autograd::grad({a.sum()}, {a}, {torch::ones({}), torch::ones({})}); });
}

void retained() {
  auto x = torch::tensor({1.0, -2.0}, torch::requires_grad());
  auto h = x * 2;
  h.retain_grad();
  h.retain_grad();
  fact("h retains", h.retains_grad());
  fact("a leaf retains", x.retains_grad());
  (h * h).sum().backward();
  show("h.grad", h.grad());
  show("x.grad", x.grad());
  throws("a constant can't retain", [] { torch::ones({1}).retain_grad(); });
}

void hooks() {
  auto x = torch::ones({3}, torch::requires_grad());
  auto h = x * 3;
  int calls = 0;
  const auto counted = h.register_hook([&calls](torch::Tensor grad) {
    ++calls;
    show("seen", grad);
  });
  h.register_hook([](const torch::Tensor& grad) -> torch::Tensor { return grad * 10; });
  x.register_hook([](torch::Tensor grad) { return grad + 1; });
  auto y = (h * 2).sum();
  y.backward({}, true);
  show("x.grad", x.grad());
  h.remove_hook(counted);
  y.backward({}, true);
  std::printf("calls: %d\n", calls);
  show("x.grad", x.grad());
  const auto undefined = x.register_hook([](torch::Tensor) { return torch::Tensor(); });
  x.mutable_grad().zero_();
  y.backward();
  show("an undefined result changes nothing", x.grad());
  x.remove_hook(undefined);
  throws("a constant has no hooks", [] { torch::ones({1}).register_hook([](torch::Tensor) {}); });
  auto z = (x * x).sum();
  z.register_hook([](torch::Tensor) { throw std::runtime_error("from a hook"); });
  try {
    z.backward();
  } catch (const std::exception& error) {
    fact("a hook's exception arrives", std::string(error.what()).find("from a hook") != std::string::npos);
  }
}

/// Doubles what it is given.
struct DoubleBefore : torch::autograd::FunctionPreHook {
  variable_list operator()(const variable_list& grads) override { return {grads[0] * 2}; }
};

/// Adds one to the gradient of the first operand.
struct AddAfter : torch::autograd::FunctionPostHook {
  variable_list operator()(const variable_list& outputs, const variable_list& inputs) override {
    show("the node was given", inputs[0]);
    variable_list changed = outputs;
    changed[0] = changed[0] + 1;
    return changed;
  }
};

void node_hooks() {
  auto x = torch::tensor({1.0, 2.0}, torch::requires_grad());
  auto y = x.exp();
  y.grad_fn()->add_pre_hook(std::make_unique<DoubleBefore>());
  const auto key = y.grad_fn()->add_post_hook(std::make_unique<AddAfter>());
  y.sum().backward({}, true);
  show("x.grad", x.grad());
  fact("removed", y.grad_fn()->del_post_hook(key));
  fact("removed again", y.grad_fn()->del_post_hook(key));
}

void in_place() {
  auto x = torch::tensor({1.0, 2.0, 3.0}, torch::requires_grad());
  throws("a leaf can't be changed", [&] { x.add_(1); });
  throws("nor by an operator", [&] { x += 1; });
  {
    torch::NoGradGuard no_grad;
    x -= 0.5;
    x.mul_(2);
  }
  show("x", x);
  auto y = x * 2;
  const auto before = y._version();
  y.add_(1).mul_(x);
  y += x;
  y -= 1;
  y /= 2;
  std::printf("changes: %d\n", static_cast<int>(y._version() - before));
  y.sum().backward();
  show("x.grad", x.grad());
  auto saved = x.exp();
  auto result = saved.sum();
  saved.add_(1);
  throws("a saved tensor was changed", [&] { result.backward(); });
  auto target = torch::zeros({3});
  target.copy_(x * x);
  fact("copy_ records", target.requires_grad());
  target.zero_();
  target.fill_(3);
  x.mutable_grad().zero_();
  target.sum().backward();
  show("through zero_ and fill_", x.grad());
}

void views() {
  auto x = torch::ones({2, 3}, torch::requires_grad());
  auto y = x.clone();
  auto row = y[0];
  auto column = y.select(1, 2);
  fact("row is a view", row.is_view());
  fact("of y", row._base().is_same(y));
  fact("y is one", y.is_view());
  row.mul_(3);
  column += 1;
  std::printf("versions: %d %d\n", static_cast<int>(y._version()), static_cast<int>(row._version()));
  show("y", y);
  y.narrow(1, 1, 1).copy_(torch::full({2, 1}, 5.0));
  (y * y).sum().backward({}, /*retain_graph=*/true);
  show("x.grad", x.grad());
  show("the row follows", row);
  row.sum().backward();
  show("x.grad through the row", x.grad());

  auto leaf = torch::ones({4}, torch::requires_grad());
  throws("a view of a leaf", [&] { leaf.view({2, 2}).mul_(2); });
  {
    torch::NoGradGuard no_grad;
    leaf.view({2, 2})[1].mul_(2);
  }
  show("without recording", leaf);
  auto buffer = torch::zeros({4});
  auto part = buffer.slice(0, 0, 2);
  part.add_(leaf.slice(0, 2, 4));
  fact("the buffer is recorded", buffer.requires_grad() && !buffer.is_leaf());
  (buffer * 3).sum().backward();
  show("leaf.grad", leaf.grad());
  throws("detach_ of a view", [&] { part.detach_(); });
  auto flat = torch::ones({2, 2}, torch::requires_grad()).clone().view({-1});
  flat.transpose(0, 0).unsqueeze(0).squeeze(0).expand({4});
  std::printf("%s\n", flat.grad_fn()->name().c_str());
}

void off_the_tape() {
  auto x = torch::tensor({1.0, 2.0}, torch::requires_grad());
  auto y = x * 2;
  auto d = y.detach();
  fact("detached requires a gradient", d.requires_grad());
  fact("detached shares", d.is_alias_of(y) && d.data_ptr<float>() == y.data_ptr<float>());
  auto before = y._version();
  d.add_(1);
  fact("the change counts", y._version() == before + 1 && d._version() == before + 1);
  before = x._version();
  x.data().mul_(4);
  x.variable_data().add_(1);
  fact("this one does not", x._version() == before);
  show("x", x);
  y.sum().backward();
  show("x.grad", x.grad());
  auto p = torch::ones({2}, torch::requires_grad());
  const auto q = torch::full({3}, 7.0);
  p.set_data(q);
  show("set_data", p);
  fact("a leaf that requires a gradient still", p.is_leaf() && p.requires_grad());
  p.sum().backward();
  show("p.grad", p.grad());
  p.set_data(torch::zeros({3}));
  show("p.grad is kept", p.grad());
  throws("the wrong dtype for set_data", [&] { p.set_data(torch::ones({3}, torch::kLong)); });
  auto undefined = torch::Tensor();
  fact("undefined", !undefined.defined());
  throws("of undefined", [&] { undefined.sum(); });
}

void modes() {
  auto x = torch::ones({2}, torch::requires_grad());
  {
    torch::AutoGradMode off(false);
    fact("recording", torch::GradMode::is_enabled());
    auto leaf = torch::ones({2}, torch::requires_grad());
    fact("a leaf made here requires a gradient", leaf.requires_grad());
    fact("a result", (leaf * 2).requires_grad());
    {
      torch::autograd::AutoGradMode on(true);
      fact("switched on", (x * 2).requires_grad());
    }
    fact("and off again", (x * 2).requires_grad());
  }
  torch::autograd::GradMode::set_enabled(false);
  fact("set_enabled(false)", torch::autograd::GradMode::is_enabled());
  torch::GradMode::set_enabled(true);

  torch::Tensor made;
  {
    c10::InferenceMode guard;
    fact("inference mode", c10::InferenceMode::is_enabled());
    fact("recording in it", torch::GradMode::is_enabled());
    made = torch::ones({2, 2});
    fact("made in it", made.is_inference());
    made.add_(1);
    fact("a view", made.view({4}).is_inference());
    fact("a view of a normal tensor", x.view({2, 1}).is_inference());
    auto computed = x * 2;
    fact("computed from a normal one", computed.is_inference() && !computed.requires_grad());
    {
      c10::InferenceMode normal(false);
      fact("normal mode in it", (x * 2).requires_grad());
    }
  }
  fact("still", made.is_inference());
  throws("changed outside", [&] { made.add_(1); });
  throws("its version", [&] { made._version(); });
  throws("saved for backward", [&] { x.view({2, 1}) * made; });
  throws("requires a gradient", [&] { made.requires_grad_(); });
  fact("a sum that saves nothing", (x + made).requires_grad());
  fact("a clone is normal", !made.clone().is_inference());
  auto normal = made.clone();
  const auto before = normal._version();
  {
    torch::InferenceMode guard(true);
    normal.mul_(2);
  }
  fact("the change counts", normal._version() == before + 1);
}

void anomalies() {
  auto x = torch::zeros({2}, torch::requires_grad());
  {
    torch::autograd::DetectAnomalyGuard guard;
    fact("on", torch::autograd::AnomalyMode::is_enabled());
    auto y = (x / x).sum();
    bool named = false;
    try {
      y.backward();
    } catch (const c10::Error& error) {
      named = true;
    } catch (const std::runtime_error& error) {
      named = std::string(error.what()).find("DivBackward0") != std::string::npos;
    }
    fact("a NaN is an error", named);
    auto fine = (x * 2).sum();
    fine.backward();
    show("x.grad", x.grad());
  }
  fact("off", !torch::autograd::AnomalyMode::is_enabled());
  (x / x).sum().backward();
  fact("without it, none", x.grad()[0].item<float>() != x.grad()[0].item<float>());
}

void errors() {
  const auto message = [](auto body) {
    try {
      body();
    } catch (const c10::Error& error) {
      return std::string(error.what()) != "" && std::string(error.what_without_backtrace()) != "";
    }
    return false;
  };
  fact("shapes", message([] { torch::ones({2}) + torch::ones({3}); }));
  fact("matmul", message([] { torch::ones({2, 3}).mm(torch::ones({2, 3})); }));
  throws("view", [] { torch::ones({4}).view({3}); });
  fact("item", message([] { torch::ones({2}).item<float>(); }));
  fact("dimension", message([] { torch::ones({2}).size(3); }));
  fact("index", message([] { torch::ones({2})[2]; }));
}

void seeds() {
  torch::manual_seed(7);
  const auto a = torch::rand({100});
  const auto b = torch::randn({100});
  torch::manual_seed(7);
  fact("the same numbers again", torch::equal(a, torch::rand({100})) && b.equal(torch::randn({100})));
  fact("others after", !a.equal(torch::rand({100})));
  torch::Generator generator = at::detail::createCPUGenerator(42);
  const auto c = torch::rand({4}, generator);
  generator.set_current_seed(42);
  fact("from a generator", c.equal(torch::rand({4}, generator)));
  auto x = torch::empty({1000}).uniform_(2, 3);
  fact("uniform", x.mean().item<double>() > 2.4 && x.mean().item<double>() < 2.6);
  fact("normal", std::abs(x.normal_(1, 0.1).mean().item<double>() - 1) < 0.1);
}

int main() {
  leaves_and_nodes();
  backward_arguments();
  grad_of_grad();
  retained();
  hooks();
  node_hooks();
  in_place();
  views();
  off_the_tape();
  modes();
  anomalies();
  errors();
  seeds();
}
