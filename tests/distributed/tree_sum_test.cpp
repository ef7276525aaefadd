#include <cmath>
#include <string>
#include <vector>

#include <backflow/distributed/shards/shards.h>
#include <backflow/distributed/shards/tree_reduction.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/error_of.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

/// Element `i` of shard `s`: sums in another order have other bits.
template <class T>
T element(int s, std::int64_t i) {
  return static_cast<T>(std::sin(static_cast<double>(s * 131 + i % 1009 + 1)) * std::pow(10.0, (s * 7 + i) % 5));
}

template <class T>
T tree_value(ShardRange tree, std::int64_t i) {
  if (tree.size() == 1) {
    return element<T>(tree.begin, i);
  }
  const int cut = tree_cut(tree);
  return tree_value<T>({tree.begin, cut}, i) + tree_value<T>({cut, tree.end}, i);
}

template <class T>
bool sums_in_tree_order(int shards, std::int64_t n, ScalarType dtype, bool in_place) {
  const auto subtrees = subtrees_in(shards, shards_of_rank(shards, world()->rank(), world()->size()));
  const Tensor nodes = empty_tensor({std::ssize(subtrees), n}, dtype);
  for (std::size_t k = 0; k < subtrees.size(); ++k) {
    for (std::int64_t i = 0; i < n; ++i) {
      nodes.data_ptr<T>()[static_cast<std::int64_t>(k) * n + i] = tree_value<T>(subtrees[k], i);
    }
  }
  const Tensor sum = in_place ? view_of(nodes, {n}, {1}, 0) : empty_tensor(n, dtype);
  world()->tree_sum(nodes, shards, sum);
  for (std::int64_t i = 0; i < n; ++i) {
    if (sum.data_ptr<T>()[i] != tree_value<T>({0, shards}, i)) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("tree_sum: the sum in the tree's order, of any number of shards and elements", "[tree_sum]") {
  const int ranks = world()->size();
  for (const int shards : {ranks, 2 * ranks, 3 * ranks, 5 * ranks, 8 * ranks}) {
    for (const std::int64_t n : {0, 1, 3, 5, 1000}) {
      INFO(shards << " shards, " << n << " elements");
      CHECK(sums_in_tree_order<float>(shards, n, kFloat32, false));
      CHECK(sums_in_tree_order<float>(shards, n, kFloat32, true));
      CHECK(sums_in_tree_order<double>(shards, n, kFloat64, true));
    }
  }
  CHECK(sums_in_tree_order<float>(3 * ranks, 1'300'001, kFloat32, true));  // in two pieces
}

TEST_CASE("tree_sum: an absent element changes no other", "[tree_sum]") {
  CHECK(std::signbit(-0.0 + kAbsent));
  CHECK_FALSE(std::signbit(0.0 + kAbsent));
}

TEST_CASE("tree_sum: messages of shards", "[tree_sum]") {
  const int shards = 3 * world()->size();
  std::vector<std::vector<double>> messages;
  for (int s = 3 * world()->rank(); s < 3 * world()->rank() + 3; ++s) {
    messages.push_back({element<double>(s, 0), element<double>(s, 1)});
  }
  const std::vector<double> expected = {tree_value<double>({0, shards}, 0), tree_value<double>({0, shards}, 1)};
  CHECK(sum_messages(*world(), shards, messages, 2) == expected);
}

TEST_CASE("tree_sum: mistakes", "[tree_sum]") {
  const int shards = 2 * world()->size();
  const auto error = [&](IntArrayRef sizes, ScalarType dtype) {
    const Tensor nodes = filled(sizes, 1, dtype);
    const Tensor sum = filled({5}, 0, dtype);
    return error_of([&] { world()->tree_sum(nodes, shards, sum); });
  };
  CHECK(error({3, 5}, kFloat32).find("tree_sum: nodes f32[3, 5], sum f32[5]: need 1 rows as long as the sum") == 0);
  CHECK(error({1, 5}, kInt64).find("tree_sum: nodes i64[1, 5], sum i64[5]: need one dtype, float32 or float64") == 0);
}

TEST_CASE("tree_sum: ranks with other sizes all get an Error, and go on", "[tree_sum]") {
  if (world()->size() == 1) {
    return;
  }
  const int ranks = world()->size();
  const std::int64_t n = world()->rank() == 1 ? 6 : 5;
  const std::string error = error_of([&] { world()->tree_sum(filled({1, n}, 1), ranks, filled({n}, 0)); });
  CHECK(error ==
        "communicator: ranks disagree: rank 0 is at tree_sum f32[5] with tag 0, rank 1 at tree_sum f32[6] with tag 0: "
        "need the same call on every rank");
  const Tensor sum = filled({2}, 0);
  world()->tree_sum(filled({1, 2}, 1), ranks, sum);
  CHECK(all_equal(sum, ranks));
}
