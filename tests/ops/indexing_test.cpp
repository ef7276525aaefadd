// Indexing and copies of tensors that are large enough for several chunks, tiles and parts; views by lists of indices.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/indexing/tensor_index.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;
using namespace backflow::indexing;

namespace {

/// Calls `make` on 1, 2 and 8 threads, which must give the same bits, and returns the result.
Tensor on_any_threads(const std::function<Tensor()>& make) {
  const int threads = get_num_threads();
  set_num_threads(1);
  Tensor expected = make();
  for (const int n : {2, 8}) {
    set_num_threads(n);
    CAPTURE(n);
    CHECK(bitwise_equal(make(), expected));
  }
  set_num_threads(threads);
  return expected;
}

Tensor indices(std::vector<std::int64_t> sizes, double high) {
  return random_tensor(std::move(sizes), "index", kFloat64, 0, high).to(kInt64);
}

Tensor is_zero(const Tensor& x) { return (1 - x.to(kBool).to(kInt64)).to(kBool); }

}  // namespace

TEST_CASE("indexing: large transposes of every dtype are exact") {
  for (const ScalarType dtype : kAllDtypes) {
    CAPTURE(dtype);
    const Tensor x = random_tensor({131, 1077}, "x", kFloat64, 0, 100).to(dtype);
    const Tensor y = on_any_threads([&] { return x.t().contiguous(); });
    const Tensor back = empty({1077, 131}, dtype).t();
    back.copy_(y.t());
    const Array a = array_of(x);
    const Array b = array_of(y);
    bool same = bitwise_equal(back.contiguous(), x);
    for (std::int64_t i = 0; i < 131; ++i) {
      for (std::int64_t j = 0; j < 1077; ++j) {
        same = same && a.at({i, j}) == b.at({j, i});
      }
    }
    CHECK(same);
    const Tensor z = random_tensor({3, 70, 5, 90}, "z", kFloat64, 0, 100).to(dtype);
    const Tensor p = on_any_threads([&] { return z.permute({0, 3, 2, 1}).contiguous(); });
    CHECK(bitwise_equal(p.permute({0, 3, 2, 1}).contiguous(), z));
  }
}

TEST_CASE("indexing: large gather and scatter_add agree with loops, bitwise on any number of threads") {
  for (const std::int64_t dim : {0, 1}) {
    CAPTURE(dim);
    const Tensor x = random_tensor({300, 400}, "x", kFloat64);
    const Tensor index = indices({300, 400}, dim == 0 ? 300 : 400);
    const Tensor y = on_any_threads([&] { return x.gather(dim, index); });
    const Tensor sums = on_any_threads([&] { return x.scatter_add(dim, index, x); });
    const Tensor last = on_any_threads([&] { return x.scatter(dim, index, x); });
    const Array a = array_of(x);
    const Array i = array_of(index);
    Array gathered = a;
    Array added = a;
    Array replaced = a;
    for_each_index(a.sizes, [&](const std::vector<std::int64_t>& at) {
      std::vector<std::int64_t> chosen = at;
      chosen[static_cast<std::size_t>(dim)] = static_cast<std::int64_t>(i.at(at));
      gathered.at(at) = a.at(chosen);
      added.at(chosen) += a.at(at);
      replaced.at(chosen) = a.at(at);
    });
    CHECK(distance(array_of(y), gathered) == 0);
    CHECK(distance(array_of(sums), added) == 0);
    CHECK(distance(array_of(last), replaced) == 0);
  }
}

TEST_CASE("indexing: many slices are added in their order, bitwise on any number of threads") {
  const Tensor x = random_tensor({50, 3, 40}, "x", kFloat64);
  const Tensor w = random_tensor({2000, 3, 40}, "w", kFloat64);
  const Tensor index = indices({2000}, 50);
  const Tensor y = on_any_threads([&] { return x.index_add(0, index, w); });
  const Tensor put = on_any_threads([&] { return x.index_put({index}, w, true); });
  const Tensor flat = on_any_threads([&] { return x.reshape({50, 120}).index_add(0, index, w.reshape({2000, 120})); });
  Array expected = array_of(x);
  const Array terms = array_of(w);
  for_each_index(terms.sizes, [&](const std::vector<std::int64_t>& at) {
    expected.at({index[at[0]].item<std::int64_t>(), at[1], at[2]}) += terms.at(at);
  });
  CHECK(distance(array_of(y), expected) == 0);
  CHECK(bitwise_equal(put, y));
  CHECK(bitwise_equal(flat.reshape({50, 3, 40}), y));
  CHECK(bitwise_equal(on_any_threads([&] { return w.index_select(0, index); }), w.index({index})));
}

TEST_CASE("indexing: large masks choose in row-major order") {
  const Tensor x = random_tensor({400, 301}, "x");
  const Tensor mask = indices({400, 301}, 2).to(kBool);
  const Tensor y = on_any_threads([&] { return x.masked_select(mask); });
  const Tensor back = on_any_threads([&] { return zeros_like(x).masked_scatter(mask, y); });
  CHECK(bitwise_equal(back, x.masked_fill(is_zero(mask), 0)));
  CHECK(bitwise_equal(x.index({mask}), y));
  const Tensor places = on_any_threads([&] { return mask.nonzero(); });
  CHECK(bitwise_equal(x.index({places.select(1, 0), places.select(1, 1)}), y));
}

TEST_CASE("indexing: integers, slices, None and ... make views, tensors make copies") {
  const Tensor x = arange(24, kFloat32).reshape({2, 3, 4});
  const Tensor view = x.index({1, "...", Slice(None, None, 2), None});
  CHECK(view.is_alias_of(x));
  CHECK(view.sizes() == IntArrayRef({3, 2, 1}));
  view.fill_(0);
  CHECK(x.index({1}).sum().item<float>() == 13 + 15 + 17 + 19 + 21 + 23);
  CHECK(!x.index({tensor({0, 1})}).is_alias_of(x));
  // A mask of two dimensions stands for two, whatever comes after it.
  const Tensor mask = is_zero(x.index({Slice(), Slice(), 0}) - 4);
  CHECK(bitwise_equal(x.index({mask, Slice(1, 3)}), x.index({mask}).index({Slice(), Slice(1, 3)})));
  CHECK(bitwise_equal(x.index({Ellipsis}), x));
}

TEST_CASE("indexing: index_put_ with a list of indices changes the tensor and its history") {
  const Tensor w = ones({3, 4}, requires_grad());
  Tensor x = w * 2;
  x.index_put_({0, Slice(1, 3)}, 5);
  x.index_put_({tensor({1, 2}), 3}, tensor({7.0, 8.0}));
  x.index_put_({is_zero(x.detach() - 2)}, -1);
  CHECK(bitwise_equal(x.detach(), tensor({{-1.0, 5.0, 5.0, -1.0}, {-1.0, -1.0, -1.0, 7.0}, {-1.0, -1.0, -1.0, 8.0}})));
  x.sum().backward();
  CHECK(w.grad().sum().item<float>() == 0);

  const Tensor v = ones({2}, requires_grad());
  const Tensor y = zeros({3, 2});
  y.index_put_({Slice(1, None)}, v * 3);  // broadcast, and recorded through the view
  y.sum().backward();
  CHECK(bitwise_equal(v.grad(), tensor({6.0, 6.0})));
}

TEST_CASE("indexing: leading dimensions of size 1 of the values don't count") {
  const Tensor rows = tensor({0, 2});
  const Tensor mask = rows.eq(0);  // of the first of two
  const Tensor row = tensor({1.0, 2.0, 3.0});
  const auto put = [](const std::vector<indexing::TensorIndex>& at, const Tensor& values) {
    const Tensor x = zeros({3, 3});
    x.index_put_(at, values);
    return x;
  };
  const Tensor both = tensor({{1.0, 2.0, 3.0}, {0.0, 0.0, 0.0}, {1.0, 2.0, 3.0}});
  const Tensor first = tensor({{1.0, 2.0, 3.0}, {0.0, 0.0, 0.0}, {0.0, 0.0, 0.0}});
  for (const Tensor& values : {row, row.view({1, 3}), row.view({1, 1, 3}), row.view({1, 1, 1, 3})}) {
    CHECK(bitwise_equal(put({rows}, values), both));
    CHECK(bitwise_equal(put({rows.index({mask})}, values), first));
    CHECK(bitwise_equal(put({0}, values), first));
    CHECK(bitwise_equal(put({0, "..."}, values), first));
    CHECK(bitwise_equal(put({Slice(0, 1)}, values), first));
    CHECK(bitwise_equal(put({}, values), row.expand({3, 3})));
    CHECK(bitwise_equal(put({"..."}, values), row.expand({3, 3})));
  }
  const Tensor two = tensor({{1.0}, {2.0}}).view({1, 1, 2, 1});
  CHECK(bitwise_equal(put({rows}, two), tensor({{1.0, 1.0, 1.0}, {0.0, 0.0, 0.0}, {2.0, 2.0, 2.0}})));
  CHECK(bitwise_equal(put({rows, 1}, ones({1, 1, 1})), tensor({{0.0, 1.0, 0.0}, {0.0, 0.0, 0.0}, {0.0, 1.0, 0.0}})));
  CHECK_THROWS_WITH(put({rows}, ones({1, 3, 3})), ContainsSubstring("index_put_: values f32[3, 3]"));
  CHECK_THROWS_AS(put({0}, ones({2, 3})), Error);
  // The operators themselves are strict, as in PyTorch.
  CHECK_THROWS_AS(zeros({3}).copy_(ones({1, 3})), Error);
  CHECK_THROWS_AS(zeros({3, 3}).index_put_({rows}, ones({1, 1, 3}), false), Error);

  const Tensor w = ones({1, 1, 3}, requires_grad());
  const Tensor x = zeros({3, 3});
  x.index_put_({rows}, w * 2);
  (x * tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}, {7.0, 8.0, 9.0}})).sum().backward();
  CHECK(bitwise_equal(w.grad(), tensor({{{16.0, 20.0, 24.0}}})));
}

TEST_CASE("indexing: nodes have PyTorch's names") {
  const Tensor x = ones({3, 4}, requires_grad());
  const Tensor i = zeros({3, 4}, kInt64);
  CHECK(x.gather(0, i).grad_fn()->name() == "GatherBackward0");
  CHECK(x.index({i}).grad_fn()->name() == "IndexBackward0");
  CHECK(x.scatter(0, i, 1).grad_fn()->name() == "ScatterBackward1");
  CHECK(x.masked_fill(is_zero(i), 1).grad_fn()->name() == "MaskedFillBackward0");
  CHECK(x.repeat({2, 1}).grad_fn()->name() == "RepeatBackward0");
}

TEST_CASE("indexing: repeat takes as many dimensions as a tensor can have") {
  const Tensor x = arange(2, kFloat32).reshape({1, 1, 1, 1, 1, 1, 2});
  const Tensor y = x.repeat({2, 1, 1, 1, 1, 1, 3, 2});
  CHECK(y.numel() == 24);
  CHECK(y.sum().item<float>() == 12);
}
