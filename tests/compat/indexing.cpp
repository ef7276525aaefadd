// Shapes, indices and matrix products as a program for libtorch writes them.
#include <vector>

#include <backflow/tests/compat/torch_api.h>

using torch::Tensor;
using namespace torch::indexing;

/// Prints the shape and the elements.
void print(const char* what, const Tensor& y) {
  std::printf("[");
  for (const auto size : y.sizes()) {
    std::printf(" %d", static_cast<int>(size));
  }
  std::printf(" ] ");
  show(what, y);
}

void print_all(const std::vector<std::pair<const char*, Tensor>>& results) {
  for (const auto& [name, y] : results) {
    print(name, y);
  }
}

void shapes(const Tensor& x) {
  const Tensor m = torch::arange(6.0).view({2, 3});
  print_all({{"reshape", x.reshape({4, -1})},
             {"flatten", x.flatten(1)},
             {"unflatten", m.unflatten(1, {3, 1})},
             {"squeeze", m.unsqueeze(0).squeeze()},
             {"unsqueeze", m.unsqueeze(-1)},
             {"transpose", x.transpose(0, 2)},
             {"permute", x.permute({2, 0, 1})},
             {"t", m.t()},
             {"expand", m.unsqueeze(0).expand({2, -1, -1})},
             {"expand_as", m[0].expand_as(m)},
             {"broadcast_to", torch::broadcast_to(m[0], {2, 3})},
             {"repeat", m.repeat({2, 2})},
             {"cat", torch::cat({m, m}, 1)},
             {"stack", torch::stack({m, m}, -1)},
             {"narrow", m.narrow(1, 1, 2)},
             {"select", m.select(1, -1)},
             {"slice", m.slice(1, 0, 3, 2)},
             {"flip", m.flip({0, 1})},
             {"roll", torch::roll(m, 1, 1)},
             {"roll_flat", m.roll(2)},
             {"tril", torch::ones({3, 3}).tril(-1)},
             {"triu", torch::triu(torch::ones({2, 3}), 1)},
             {"diagonal", x.diagonal(0, 1, 2)},
             {"pad", torch::constant_pad_nd(m, {1, 0, 0, 1}, 9)},
             {"unfold", torch::arange(7.0).unfold(0, 3, 2)},
             {"to", m.to(torch::kInt64)}});
  for (const Tensor& part : x.split(2, 1)) {
    print("split", part);
  }
  for (const Tensor& part : torch::split(x, {1, 2}, 1)) {
    print("split_sizes", part);
  }
  for (const Tensor& part : x.chunk(3, 2)) {
    print("chunk", part);
  }
  for (const Tensor& part : torch::unbind(m)) {
    print("unbind", part);
  }
}

void indices(const Tensor& x) {
  const Tensor rows = torch::tensor({1, 0, 1});
  const Tensor columns = torch::tensor({2, 0, 3});
  print_all({{"integer", x.index({1})},
             {"slice", x.index({Slice(), Slice(1, None), 0})},
             {"ellipsis", x.index({"...", 1})},
             {"ellipsis_name", x.index({Ellipsis, Slice(None, None, 2)})},
             {"none", x.index({0, None})},
             {"negative", x.index({-1, Slice(-2, None)})},
             {"tensor", x.index({rows})},
             {"two_tensors", x.index({rows, torch::tensor({2, 1, 0})})},
             {"separated", x.index({rows, Slice(), columns})},
             {"broadcast", x.index({rows.unsqueeze(1), Slice(), columns})},
             {"mask", x.index({x > 0})},
             {"mask_rows", x.index({torch::tensor({true, false})})},
             {"mask_then", x.index({Slice(), torch::tensor({true, false, true}), 1})},
             {"index_select", x.index_select(2, columns)},
             {"masked_select", x.masked_select(x > 0.5)},
             {"gather", torch::gather(x[0], 1, torch::tensor({{0, 1}, {3, 2}, {1, 1}}))},
             {"masked_fill", x.masked_fill(x < 0, 7)},
             {"take_row", x[1][2]}});
  Tensor y = torch::zeros({3, 4});
  y.index_put_({torch::tensor({0, 2}), torch::tensor({1, 3})}, torch::tensor({5.0F, 6.0F}));
  print("index_put", y);
  y.index_put_({Slice(1, None), 0}, 2);
  print("index_put_slice", y);
  y.index_put_({torch::tensor({0, 0}), torch::tensor({1, 1})}, torch::ones({2}), /*accumulate=*/true);
  print("index_put_accumulate", y);
  y.scatter_(1, torch::tensor({{3}, {2}, {1}}), torch::full({3, 1}, 4.0F));
  print("scatter", y);
  y.scatter_(0, torch::tensor({{2, 1}}), -1);
  print("scatter_number", y);
  y.scatter_add_(1, torch::tensor({{0, 0}, {1, 1}, {2, 2}}), torch::ones({3, 2}));
  print("scatter_add", y);
  y.index_add_(0, torch::tensor({0, 0}), torch::ones({2, 4}));
  print("index_add", y);
  y.masked_fill_(y > 3, 0);
  print("masked_fill_", y);
  print("one_hot", torch::one_hot(torch::tensor({0, 2, 1}), 4));
  print("nonzero", torch::nonzero(y > 0));
  throws("an index outside", [&] { x.index_select(0, torch::tensor({2})); });
  throws("gather outside", [&] { x[0].gather(1, torch::tensor({{4}})); });
  throws("a mask of another size", [&] { x.index({torch::tensor({true, false, true})}); });
}

void products() {
  const Tensor a = torch::arange(6.0).view({2, 3}) / 3;
  const Tensor b = torch::arange(12.0).view({3, 4}) / 5 - 1;
  const Tensor v = torch::tensor({1.0, -2.0, 0.5}, torch::kFloat32);
  const Tensor batch = torch::arange(12.0).view({2, 2, 3}) / 7;
  const Tensor other = torch::arange(24.0).view({2, 3, 4}) / 11;
  print_all({{"mm", torch::mm(a, b)},
             {"bmm", torch::bmm(batch, other)},
             {"mv", a.mv(v)},
             {"dot", torch::dot(v, v)},
             {"matmul", torch::matmul(batch, b)},
             {"matmul_batch", batch.unsqueeze(1).matmul(other)},
             {"matmul_vector", torch::matmul(v, b)},
             {"addmm", torch::addmm(torch::ones({4}), a, b, 0.5, 2)},
             {"baddbmm", torch::baddbmm(torch::ones({2, 2, 4}), batch, other)},
             {"outer", torch::outer(v, v)},
             {"einsum", torch::einsum("ij,jk->ik", {a, b})},
             {"einsum_batch", torch::einsum("bij,bjk->bk", {batch, other})},
             {"einsum_dots", torch::einsum("...ij,jk->...k", {batch, b})},
             {"einsum_trace", torch::einsum("ii", {a.t().mm(a)})},
             {"linear", torch::nn::functional::linear(a, b.t())}});
}

void creation() {
  torch::manual_seed(3);
  print_all({{"arange", torch::arange(1, 6, 2)},
             {"linspace", torch::linspace(0, 1, 5)},
             {"eye", torch::eye(2, 3)},
             {"full", torch::full({2}, 1.5)},
             {"zeros_like", torch::zeros_like(torch::ones({2}))},
             {"ones_like", torch::ones_like(torch::zeros({2}))},
             {"tensor", torch::tensor({{1, 2}, {3, 4}})},
             {"randperm", std::get<0>(torch::randperm(5).sort())}});
  fact("full of true is bool", torch::full({2}, true).scalar_type() == torch::kBool);
  fact("rand is below 1", (torch::rand({100}) < 1).all().item<bool>());
  fact("randn has a spread", torch::randn({100}).std().item<float>() > 0.5);
  const Tensor coins = torch::bernoulli(torch::full({100}, 0.5));
  fact("bernoulli is 0 or 1", ((coins == 0) | (coins == 1)).all().item<bool>());
  fact("randint is in range", (torch::randint(2, 5, {100}) - 3).abs().max().item<int64_t>() == 1);
}

int main() {
  const Tensor x = torch::sin(torch::arange(24.0) * 1.7).view({2, 3, 4});
  shapes(x);
  indices(x);
  products();
  creation();
}
