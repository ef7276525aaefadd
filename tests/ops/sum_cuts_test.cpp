// Kernels with sums: the same bits in any number of pieces, cut for any number of threads.
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/kernels/reductions/norm.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/runtime/threads/observed_work.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/blocks.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Tensors = std::vector<Tensor>;
using Call = std::function<Tensors()>;

/// Counts the tasks of loops.
class Counter : public WorkObserver {
 public:
  void begin_loop(std::int64_t tasks) override {
    ++loops;
    most = std::max(most, tasks);
  }
  void begin_graph(std::span<const std::vector<std::uint32_t>>) override {}
  void begin_task(std::size_t) override {}
  void end_task() override {}
  void end() override {}

  int loops = 0;
  std::int64_t most = 0;  ///< tasks of one loop
};

Tensors cut_for(int threads, const Call& call) {
  Counter ignored;
  const ObservedWork guard(ignored, threads);
  return call();
}

void check_cuts(const Call& call) {
  const Tensors whole = cut_for(1, call);
  for (const int threads : {1, 3, 64}) {
    for (const int pieces : {0, 1, 2, 3, 7, 64}) {
      CAPTURE(threads, pieces);
      if (pieces == 0) {
        CHECK(bitwise_equal(cut_for(threads, call), whole));
      } else {
        const ForcedPieces forced(pieces);
        CHECK(bitwise_equal(cut_for(threads, call), whole));
      }
    }
  }
}

/// The result and the gradients of the leaves.
Call with_gradients(const std::function<Tensor(const Tensors&)>& f, Tensors leaves) {
  for (Tensor& leaf : leaves) {
    leaf.set_requires_grad(true);
  }
  return [=] {
    Tensors all{f(leaves)};
    const Tensor dy = random_tensor({all[0].sizes().begin(), all[0].sizes().end()}, "dy", all[0].scalar_type());
    const Tensors gradients = autograd::grad({all[0]}, leaves, {dy});
    all.insert(all.end(), gradients.begin(), gradients.end());
    return all;
  };
}
void check_gradients(const std::function<Tensor(const Tensors&)>& f, const Tensors& leaves) {
  check_cuts(with_gradients(f, leaves));
}

Tensor integers(Index sizes, std::int64_t bound) {
  const std::int64_t n = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
  const Tensor x = empty({n}, kInt64);
  for (std::int64_t i = 0; i < n; ++i) {
    x.data_ptr<std::int64_t>()[i] = i * i % 1009 * 31 % bound;
  }
  return x.reshape(sizes);
}

}  // namespace

TEST_CASE("sum cuts: normalizations of channels") {
  const auto training = [](const Tensors& t) {
    const Tensor mean = zeros(t[1].sizes(), t[1].scalar_type());
    return batch_norm_relu(t[0], t[1], t[2], mean, ones_like(mean), t.size() > 3 ? t[3] : Tensor(), true, 0.1, 1e-3);
  };
  const auto evaluation = [](const Tensors& t) {
    const Tensor mean = zeros(t[1].sizes(), t[1].scalar_type());
    return batch_norm_relu(t[0], t[1], t[2], mean, ones_like(mean), Tensor(), false, 0.1, 1e-3);
  };
  const auto instances = [](const Tensors& t) {
    return instance_norm(t[0], t[1], t[2], Tensor(), Tensor(), true, 0.1, 1e-3, true);
  };
  const auto groups = [](const Tensors& t) { return group_norm(t[0], 4, t[1], t[2], 1e-3); };
  // More than 64 runs; channels that do not fill the last block; a row-major image; a matrix.
  for (const auto& [sizes, block] : std::vector<std::pair<Index, int>>{
           {{4, 32, 80, 80}, 16}, {{9, 20, 33, 31}, 16}, {{40, 20, 9, 9}, 1}, {{700, 68}, 1}}) {
    CAPTURE(sizes, block);
    const Tensor x = in_blocks(random_tensor(sizes, "x"), block);
    const Tensor w = random_tensor({sizes[1]}, "w");
    const Tensor b = random_tensor({sizes[1]}, "b");
    check_gradients(training, {x, w, b});
    check_gradients(training, {x, w, b, in_blocks(random_tensor(sizes, "residual"), block)});
    check_gradients(evaluation, {x, w, b});
    if (sizes.size() == 4) {
      check_gradients(instances, {x, w, b});
      check_gradients(groups, {x, w, b});
    }
  }
}

TEST_CASE("sum cuts: normalizations of rows") {
  for (const auto& [rows, n] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{700, 65}, {3, 40'001}, {20'000, 5}}) {
    CAPTURE(rows, n);
    const Tensor x = random_tensor({rows, n}, "x");
    const Tensor w = random_tensor({n}, "w");
    const Tensor b = random_tensor({n}, "b");
    check_gradients([n = n](const Tensors& t) { return layer_norm(t[0], {n}, t[1], t[2]); }, {x, w, b});
    check_gradients([n = n](const Tensors& t) { return layer_norm(t[0], {n}); }, {x});
  }
  const Tensor x = random_tensor({300, 6, 4, 4}, "x");  // sets of weights in turn
  check_gradients([](const Tensors& t) { return group_norm(t[0], 3, t[1], t[2], 1e-3); },
                  {x, random_tensor({6}, "w"), random_tensor({6}, "b")});
}

TEST_CASE("sum cuts: folds, variances and extremes") {
  using Dims = std::vector<std::int64_t>;
  const std::vector<std::pair<Index, Dims>> cases = {
      {{200'001}, {0}},      {{3, 70'000}, {1}},   {{2, 40'000}, {1}},          {{3, 70'001}, {0}}, {{5'000, 37}, {0}},
      {{40, 333, 5}, {1}},   {{3, 700, 150}, {1}}, {{200, 300, 7}, {0, 2}},     {{9'000, 12}, {1}}, {{70'000, 3}, {0}},
      {{2, 5'000, 40}, {1}}, {{128, 1'024}, {0}},  {{64, 40, 6, 6}, {0, 2, 3}},
  };
  for (const auto& [sizes, dims] : cases) {
    CAPTURE(sizes, dims);
    for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
      CAPTURE(dtype);
      const Tensor x = random_tensor(sizes, "x", dtype);
      // Any order of memory: the elements of the second have to be fetched.
      for (const Tensor& from : {x, tensor_of(array_of(x), dtype, Layout::Strided)}) {
        check_cuts([&] { return Tensors{sum(from, dims), amax(from, dims), norm(from, 2, dims)}; });
        check_cuts([&] { return Tensors{var(from, dims, true)}; });
        check_cuts([&] { return Tensors{prod(from, dims[0])}; });
      }
    }
  }
}

TEST_CASE("sum cuts: the first of equal extremes, and NaN") {
  for (const auto& [sizes, dim] : std::vector<std::pair<Index, std::int64_t>>{
           {{100'001}, 0}, {{3, 40'000}, 1}, {{20'000, 3}, 0}, {{2, 3'000, 33}, 1}}) {
    CAPTURE(sizes, dim);
    Tensor x = integers(sizes, 900).to(kFloat32);
    const auto all = [&, dim = dim] {
      const auto [largest, at] = max(x, dim);
      const auto [least, where] = min(x, dim);
      return Tensors{largest, at, least, where};
    };
    check_cuts(all);
    x.view({-1}).data_ptr<float>()[x.numel() / 2 + 5] = std::numeric_limits<float>::quiet_NaN();
    x.view({-1}).data_ptr<float>()[x.numel() / 2 + 700] = std::numeric_limits<float>::quiet_NaN();
    check_cuts(all);
  }
}

TEST_CASE("sum cuts: scans and orders") {
  for (const auto& [sizes, dim] : std::vector<std::pair<Index, std::int64_t>>{
           {{100'001}, 0}, {{3, 9'000}, 1}, {{333, 70}, 1}, {{500, 90}, 0}, {{2, 300, 1'100}, 1}}) {
    CAPTURE(sizes, dim);
    const Tensor x = random_tensor(sizes, "x");
    check_gradients([dim = dim](const Tensors& t) { return cumsum(t[0], dim); }, {x});
    check_gradients([dim = dim](const Tensors& t) { return cumprod(t[0] * 0.9, dim); }, {x});
    check_gradients([dim = dim](const Tensors& t) { return std::get<0>(sort(t[0], dim)); }, {x});
    check_gradients([dim = dim](const Tensors& t) { return std::get<0>(topk(t[0], 20, dim)); }, {x});
  }
}

TEST_CASE("sum cuts: softmax and losses") {
  for (const auto& [sizes, dim] : std::vector<std::pair<Index, std::int64_t>>{
           {{700, 33}, 1}, {{2, 30'000}, 1}, {{5, 12, 700}, 1}, {{80, 900}, 0}}) {
    CAPTURE(sizes, dim);
    const Tensor x = random_tensor(sizes, "x");
    check_gradients([dim = dim](const Tensors& t) { return softmax(t[0], dim); }, {x});
    check_gradients([dim = dim](const Tensors& t) { return log_softmax(t[0], dim); }, {x});
  }
  const Tensor x = random_tensor({70'001}, "x");
  const Tensor t = random_tensor({70'001}, "t", kFloat32, 0.2, 0.9);
  for (const std::int64_t reduction : {1, 2}) {
    check_gradients([=](const Tensors& l) { return mse_loss(l[0], t, reduction); }, {x});
    check_gradients([=](const Tensors& l) { return soft_margin_loss(l[0], t, reduction); }, {x});
  }
  const Tensor labels = integers({60, 30}, 30);
  check_gradients([=](const Tensors& l) { return multilabel_margin_loss(l[0], labels, 1); },
                  {random_tensor({60, 30}, "scores")});
}

TEST_CASE("sum cuts: losses of classes") {
  for (const auto& [rows, classes] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{128, 10}, {5'000, 3}, {70, 900}}) {
    CAPTURE(rows, classes);
    const Tensor x = random_tensor({rows, classes}, "x");
    const Tensor w = random_tensor({classes}, "w", kFloat32, 0.2, 2);
    const Tensor target = integers({rows}, classes);
    for (const double smoothing : {0.0, 0.1}) {
      check_gradients([=](const Tensors& t) { return cross_entropy_loss(t[0], target, w, 1, 2, smoothing); }, {x});
    }
    check_gradients([=](const Tensors& t) { return nll_loss_nd(t[0], target, w, 1, 2); }, {x});
  }
  const Tensor target = integers({3, 70, 40}, 5);
  check_gradients([=](const Tensors& t) { return nll_loss_nd(t[0], target, Tensor(), 1, 2); },
                  {random_tensor({3, 5, 70, 40}, "images")});
}

TEST_CASE("sum cuts: rows of tables") {
  for (const ScalarType dtype : {kFloat32, kBFloat16}) {
    const Tensor table = random_tensor({300, 70}, "table", dtype);
    const Tensor indices = integers({5'000}, 250);
    const Tensor same = integers({5'000}, 2);  // rows that are most of the work
    for (const Tensor& i : {indices, same}) {
      check_gradients([=](const Tensors& t) { return embedding(t[0], i, 1, false); }, {table});
      check_gradients([=](const Tensors& t) { return embedding(t[0], i, -1, true); }, {table});
      for (const std::int64_t mode : {0, 1, 2}) {
        for (const Tensor& offsets : {arange(0, 5'000, 7), integers({1}, 1)}) {
          check_gradients([=](const Tensors& t) { return std::get<0>(embedding_bag(t[0], i, offsets, false, mode)); },
                          {table});
        }
      }
    }
  }
}

TEST_CASE("sum cuts: norms of many tensors") {
  Tensors all;
  for (const std::int64_t n : {1, 70, 200'001, 3, 64, 64, 40'000, 5}) {
    all.push_back(random_tensor({n}, "x"));
  }
  for (const double p : {1.0, 2.0, 3.0, std::numeric_limits<double>::infinity()}) {
    check_cuts([&] { return Tensors{full({}, kernels::vector_norm(all, p), kFloat64)}; });
  }
}

TEST_CASE("sum cuts: 64 threads find work in what is large, and no loop in what is small") {
  const auto seen = [](const Call& call) {
    Counter counter;
    const ObservedWork guard(counter, 64);
    call();
    return counter;
  };
  const auto norm_of = [](const Index& sizes, bool training) {
    const Tensor x = in_blocks(random_tensor(sizes, "x"), 16);
    const Tensor w = ones({sizes[1]});
    return Call(
        [=] { return Tensors{batch_norm_relu(x, w, w, zeros_like(w), ones_like(w), Tensor(), training, 0.1, 1e-3)}; });
  };
  CHECK(seen(norm_of({32, 64, 32, 32}, true)).most >= 64);
  CHECK(seen(norm_of({32, 64, 32, 32}, true)).loops == 2);
  CHECK(seen(norm_of({32, 128, 16, 16}, true)).most >= 20);
  CHECK(seen(norm_of({1, 512, 4, 4}, false)).loops == 0);
  CHECK(seen([] { return Tensors{random_tensor({64, 64}, "x").sum(0)}; }).loops == 0);
  CHECK(seen([] { return Tensors{ones({2, 1 << 20}).sum(1)}; }).most >= 32);
}
