// Corners of libtorch's semantics that programs lean on without knowing: which tensor is another, what is an error.
#include <string>
#include <vector>

#include <backflow/tests/compat/torch_api.h>

using namespace torch::indexing;
namespace F = torch::nn::functional;

namespace test {
struct AGIUnit : torch::nn::Module {};
struct AGIUnit2 : torch::nn::Module {
  AGIUnit2() : torch::nn::Module("Foo") {}
};
struct UnitImpl : torch::nn::Module {
  torch::Tensor forward(torch::Tensor x) { return x; }
};
TORCH_MODULE(Unit);
}  // namespace test

void names() {
  std::printf("%s %s %s\n", test::AGIUnit().name().c_str(), test::AGIUnit2().name().c_str(),
              test::Unit()->name().c_str());
  const std::string linear = torch::nn::Linear(1, 1)->name();
  fact("a layer's name has its namespace", linear.ends_with("::nn::LinearImpl"));
}

void ordered_dict() {
  torch::OrderedDict<std::string, int> d;
  throws("front of nothing", [&] { d.front(); });
  throws("back of nothing", [&] { d.back(); });
  throws("pair 0 of nothing", [&] { d[0]; });
  throws("a key of nothing", [&] { d["a"]; });
  throws("erase of nothing", [&] { d.erase("a"); });
  d.insert("b", 2);
  d.insert("a", 1);
  throws("a key twice", [&] { d.insert("a", 3); });
  throws("pair 2 of 2", [&] { d[2]; });
  std::printf("%s %s %s %d\n", d.front().key().c_str(), d.back().key().c_str(), d[1].key().c_str(), d["b"]);
  torch::OrderedDict<std::string, int> more({{"c", 3}});
  d.update(more);
  d.erase("b");
  for (const auto& item : d) {
    std::printf("%s=%d ", item.key().c_str(), *item);
  }
  std::printf("\n");
}

void which_tensor() {
  const auto x = torch::arange(6, torch::kFloat).view({2, 3});
  const auto line = torch::arange(3, torch::kFloat);
  const auto is = [](const char* what, const torch::Tensor& y, const torch::Tensor& of) {
    std::printf("%s: %s, %s\n", what, y.is_same(of) ? "the same" : "another", y.is_alias_of(of) ? "alias" : "copy");
  };
  is("...", x.index({"..."}), x);
  is("Ellipsis", x.index({Ellipsis}), x);
  is(":", x.index({Slice()}), x);
  is(":, :", x.index({Slice(), Slice()}), x);
  is("None", x.index({None}), x);
  is("view", x.view({2, 3}), x);
  is("view_as", x.view_as(x), x);
  is("reshape", x.reshape({2, 3}), x);
  is("expand", x.expand({2, 3}), x);
  is("expand_as", x.expand_as(x), x);
  is("squeeze", x.squeeze(), x);
  is("squeeze(0)", x.squeeze(0), x);
  is("transpose", x.transpose(0, 0), x);
  is("permute", x.permute({0, 1}), x);
  is("narrow", x.narrow(0, 0, 2), x);
  is("slice", x.slice(0), x);
  is("split", x.split(2)[0], x);
  is("chunk", x.chunk(1)[0], x);
  is("t", line.t(), line);
  is("alias", torch::alias(x), x);
  is("detach", x.detach(), x);
  is("flatten", x.flatten(), x);
  is("flatten of a line", line.flatten(), line);
  is("flatten of one dimension", x.flatten(1, 1), x);
  is("contiguous", x.contiguous(), x);
  is("to", x.to(torch::kFloat), x);
  is("to another dtype", x.to(torch::kDouble), x.to(torch::kDouble));
  is("cpu", x.cpu(), x);
  is("type_as", x.type_as(x), x);
  is("clone", x.clone(), x);
  is("dropout, evaluating", torch::dropout(x, 0.5, false), x);
  is("indices", x.index({torch::tensor({0, 1})}), x);
}

void leading_ones() {
  const auto rows = torch::tensor({0, 2});
  const auto row = torch::tensor({1.0, 2.0, 3.0});
  for (const auto& values : {row, row.view({1, 3}), row.view({1, 1, 3}), row.view({1, 1, 1, 3})}) {
    auto x = torch::zeros({3, 3});
    x.index_put_({rows}, values);
    show("rows", x);
    x = torch::zeros({3, 3});
    x.index_put_({0}, values);
    show("row", x);
    x = torch::zeros({3, 3});
    x.index_put_({"..."}, values);
    show("all", x);
    x = torch::zeros({3, 3});
    x.index_put_({Slice(1, None)}, values);
    show("from 1", x);
    x = torch::zeros({3, 3});
    x.index_put_({row > 1.5}, values);
    show("mask", x);
  }
  throws("too many rows", [&] { torch::zeros({3, 3}).index_put_({rows}, torch::ones({1, 3, 3})); });
  throws("copy_ is strict", [&] { torch::zeros({3}).copy_(torch::ones({1, 3})); });
  throws("an element's assignment is", [&] { torch::zeros({3, 3})[0] = torch::ones({1, 3}); });
}

void joined() {
  const auto a = torch::ones({2, 1});
  const auto b = torch::zeros({2, 2});
  show("concat", torch::concat({a, b}, 1));
  const std::vector<torch::Tensor> list = {a, a};
  show("concat of a list", torch::concat(list));
  show("concat of a list along -1", torch::concat(list, -1));
}

void inputs_of_backward() {
  const auto x = torch::tensor({1.0, 2.0}, torch::requires_grad());
  const std::vector<torch::Tensor> nothing;
  throws("an empty list of inputs",
         [&] { x.sum().backward({}, c10::nullopt, false, c10::optional<at::TensorList>(at::TensorList(nothing))); });
  fact("nothing was added", !x.grad().defined());
  x.sum().backward({}, c10::nullopt, false, {});
  show("no list", x.grad());
  x.sum().backward({}, c10::nullopt, false, c10::nullopt);
  show("none", x.grad());
}

void views_without_recording() {
  const auto w = torch::tensor({1.0, 2.0}, torch::requires_grad());
  const auto h = w * 2;
  torch::Tensor v, u;
  {
    torch::NoGradGuard guard;
    v = w.view({2, 1});
    u = h[0];
  }
  fact("a view of a leaf requires a gradient", v.requires_grad() && v.is_leaf());
  fact("a view of a result does", u.requires_grad());
  fact("detached it does not", !v.detach().requires_grad());
  auto y = (v.view({2}) * w).sum();
  y.backward();
  show("w.grad", w.grad());
  fact("no gradient comes to the view", !v.grad().defined());
  throws("grad of it", [&] { torch::autograd::grad({(v * 1).sum()}, {v}); });
  const auto c = torch::zeros({2});
  const auto cv = c.view({1, 2});
  c.requires_grad_();
  fact("when the base begins to", cv.requires_grad());
}

void loose_losses() {
  const auto x = torch::tensor({0.25, 0.5, 0.75, 0.125}).view({4, 1}).set_requires_grad(true);
  const auto t = torch::tensor({1.0, 0.0, 1.0, 0.0});
  for (const auto& target : {t, t.view({4, 1}), t.view({1, 4})}) {
    const auto y = torch::binary_cross_entropy(x, target);
    show("binary_cross_entropy", y);
    y.backward();
    show("x.grad", x.grad());
    show("of each", torch::binary_cross_entropy(x, target, {}, torch::Reduction::None));
  }
  throws("of other sizes", [&] { torch::binary_cross_entropy(x, t.view({2, 2})); });
  throws("the functional", [&] { F::binary_cross_entropy(x, t); });
  throws("the module", [&] { torch::nn::BCELoss()(x, t); });
  throws("of logits", [&] { torch::binary_cross_entropy_with_logits(x, t); });
}

void memory() {
  std::vector<float> data = {1, 2, 3, 4};
  fact("no elements need no memory", torch::from_blob(nullptr, {0}).numel() == 0);
  throws("a negative size", [&] { torch::from_blob(data.data(), {-1}); });
  show("without dimensions", torch::from_blob(data.data(), at::IntArrayRef()).clone());
  show("strides", torch::from_blob(data.data(), {2}, {3}).clone());
  fact("ten dimensions", torch::tensor({{{{{{{{{{1, 2}}}}}}}}}}).dim() == 10);
}

int main() {
  names();
  ordered_dict();
  which_tensor();
  leading_ones();
  joined();
  inputs_of_backward();
  views_without_recording();
  loose_losses();
  memory();
}
