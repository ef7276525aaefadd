#include <sstream>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

namespace nn = backflow::nn;
namespace F = backflow::nn::functional;
using backflow::DimVector;
using backflow::Error;
using backflow::Tensor;

namespace {

std::string text_of(const nn::Module& module) {
  std::ostringstream out;
  out << module;
  return out.str();
}

bool same(const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes() && a.eq(b).all().item<bool>(); }

/// int64 numbers; of a program's mistake, too.
Tensor numbers(const std::vector<std::int64_t>& list) { return backflow::tensor(list); }

}  // namespace

TEST_CASE("embedding bag module: what it prints, its table and its shapes", "[nn]") {
  const nn::EmbeddingBag bag(nn::EmbeddingBagOptions(7, 3).mode(backflow::kMax).padding_idx(-2));
  CHECK(text_of(*bag) == "EmbeddingBag(7, 3, mode='max', padding_idx=5)");
  CHECK(same(bag->weight.select(0, 5), backflow::zeros({3})));
  CHECK(bag->output_shape({4, 6}) == DimVector{4, 3});
  CHECK(bag->forward(backflow::zeros({4, 6}, backflow::kInt64)).sizes() == backflow::IntArrayRef({4, 3}));
  CHECK_THROWS_AS(bag->output_shape({4}), Error);
  CHECK_THROWS_AS(nn::EmbeddingBag(nn::EmbeddingBagOptions(7, 3).padding_idx(7)), Error);
  CHECK_THROWS_AS(nn::EmbeddingBag(-1, 3), Error);
  CHECK_THROWS_AS(nn::EmbeddingBagOptions(7, 3).mode(backflow::kNone), Error);
}

TEST_CASE("embedding bag: bags of a matrix and of offsets are the same", "[nn]") {
  const Tensor table = backflow::arange(15, backflow::kFloat32).sin().reshape({5, 3});
  const Tensor indices = numbers({1, 4, 2, 2, 0, 3});
  for (const nn::EmbeddingBagMode mode : {nn::EmbeddingBagMode(backflow::kSum), nn::EmbeddingBagMode(backflow::kMean),
                                          nn::EmbeddingBagMode(backflow::kMax)}) {
    const Tensor bags = F::embedding_bag(indices.reshape({2, 3}), table, F::EmbeddingBagFuncOptions().mode(mode));
    CHECK(
        same(bags, F::embedding_bag(indices, table, F::EmbeddingBagFuncOptions().mode(mode).offsets(numbers({0, 3})))));
    CHECK(F::embedding_bag(backflow::zeros({4, 0}, backflow::kInt64), table, F::EmbeddingBagFuncOptions().mode(mode))
              .abs()
              .sum()
              .item<float>() == 0);
  }
  const Tensor rows = backflow::nn::functional::embedding(indices.reshape({2, 3}), table);
  CHECK(same(F::embedding_bag(indices.reshape({2, 3}), table, F::EmbeddingBagFuncOptions().mode(backflow::kMax)),
             std::get<0>(rows.max(1))));
}

TEST_CASE("embedding bag: gives the bag of each index that counts, sizes and rows", "[nn]") {
  const Tensor table = backflow::arange(8, backflow::kFloat32).reshape({4, 2});
  const auto [y, bag, sizes, rows] =
      backflow::embedding_bag(table, numbers({3, 1, 0, 1}), numbers({0, 3}), false, 2, false, {}, false, 1);
  CHECK(same(bag, numbers({0, 0})));
  CHECK(same(sizes, numbers({2, 0})));
  CHECK(same(rows, numbers({3, 3, 0, 0}).reshape({2, 2})));
  CHECK(same(y, backflow::tensor({6.0F, 7.0F, 0.0F, 0.0F}).reshape({2, 2})));
}

TEST_CASE("embedding bag: mistakes", "[nn]") {
  const Tensor table = backflow::zeros({5, 3});
  const Tensor indices = numbers({1, 4, 2});
  const auto call = [&](const Tensor& i, F::EmbeddingBagFuncOptions options) { F::embedding_bag(i, table, options); };
  const auto with = [](const std::vector<std::int64_t>& offsets) {
    return F::EmbeddingBagFuncOptions().offsets(numbers(offsets));
  };
  CHECK_THROWS_AS(call(indices, {}), Error);                         // no offsets
  CHECK_THROWS_AS(call(indices.reshape({1, 3}), with({0})), Error);  // a matrix and offsets
  CHECK_THROWS_AS(call(numbers({1, 5}), with({0})), Error);          // indices outside
  CHECK_THROWS_AS(call(numbers({-1, 2}), with({0})), Error);         //
  CHECK_THROWS_AS(call(indices, with({1, 2})), Error);               // no bag for the first index
  CHECK_THROWS_AS(call(indices, with({0, 4})), Error);               // offsets outside
  CHECK_THROWS_AS(call(indices, with({0, 2, 1})), Error);            // that fall
  CHECK_THROWS_AS(call(indices, with({0}).padding_idx(5)), Error);   //
  CHECK_THROWS_AS(call(indices, with({0}).sparse(true)), Error);     //
  CHECK_THROWS_AS(call(indices, with({0}).per_sample_weights(backflow::ones({3}))), Error);  // of means
  CHECK_THROWS_AS(call(indices, with({0}).mode(backflow::kSum).per_sample_weights(backflow::ones({2}))), Error);
  CHECK_THROWS_AS(call(indices, with({0}).mode(backflow::kMax).scale_grad_by_freq(true)), Error);
  CHECK_THROWS_AS(backflow::embedding_bag(table, indices, numbers({0}), false, 3), Error);
}
