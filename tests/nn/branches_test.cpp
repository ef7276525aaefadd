#include <latch>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>

namespace nn = backflow::nn;
using backflow::DimVector;
using backflow::Error;
using backflow::Tensor;
using backflow::test::bitwise_equal;
using Strings = std::vector<std::string>;

namespace {

nn::Sequential tower(std::int64_t size) { return nn::Sequential(nn::Linear(6, size), nn::Tanh(), nn::Linear(size, 4)); }

/// Checks that two results of one module are equal, and the gradients of its parameters through them.
template <class Module>
void check_same_gradients(const Module& module, const Tensor& expected, const Tensor& y) {
  CHECK(bitwise_equal(y, expected));
  CHECK(y.grad_fn()->name() == expected.grad_fn()->name());
  const auto parameters = module->parameters();
  const auto dy = backflow::test::random_tensor({5, y.size(1)}, "dy");
  CHECK(bitwise_equal(backflow::autograd::grad({y}, parameters, {dy}),
                      backflow::autograd::grad({expected}, parameters, {dy})));
}

}  // namespace

TEST_CASE("branches: the sum is that of a loop, gradients included, on any number of threads", "[nn]") {
  const Tensor x = backflow::test::random_tensor({5, 6}, "x");
  for (const int n : {1, 2, 8}) {
    const backflow::test::Threads threads(n);
    std::vector<nn::Sequential> towers;
    nn::Branches branches;
    for (int i = 0; i < 5; ++i) {
      towers.push_back(tower(3 + i));
      branches->push_back(towers.back());
    }
    Tensor expected = towers[0](x);
    for (std::size_t i = 1; i < towers.size(); ++i) {
      expected = expected + towers[i](x);
    }
    check_same_gradients(branches, expected, branches(x));
    CHECK(bitwise_equal(nn::Branches(towers[0])(x), towers[0](x)));
  }
}

TEST_CASE("branches: results can be concatenated along any dimension", "[nn]") {
  const backflow::test::Threads threads(2);
  const Tensor x = backflow::test::random_tensor({5, 6}, "x");
  const nn::Linear a(6, 2);
  const nn::Linear b(6, 3);
  const nn::Branches wide(nn::BranchesOptions(backflow::kBranchConcat), a, b);
  check_same_gradients(wide, backflow::cat({a(x), b(x)}, 1), wide(x));
  const nn::Branches last(nn::BranchesOptions().combine(backflow::kBranchConcat).dim(-2), a, a);
  CHECK(bitwise_equal(last(x), backflow::cat({a(x), a(x)}, 0)));
  CHECK(last->output_shape({5, 6}) == DimVector{10, 2});
}

TEST_CASE("branches: compute at the same time", "[nn]") {
  const backflow::test::Threads threads(2);
  std::latch both(2);
  const auto meet = [&](const Tensor& x) {
    both.arrive_and_wait();  // for ever, if the other branch waits for this one
    return x;
  };
  const nn::Branches branches{nn::Functional(meet), nn::Functional(meet)};
  CHECK(bitwise_equal(branches(backflow::ones({2})), backflow::full({2}, 2.0)));
}

TEST_CASE("branches: names, shapes and printing", "[nn]") {
  const nn::Branches inner(nn::BranchesOptions(backflow::kBranchConcat).dim(1), nn::Linear(4, 2), nn::Linear(4, 3));
  nn::Sequential model(nn::Branches(tower(3), tower(8)), inner);
  CHECK(inner->named_parameters().keys() == Strings{"0.weight", "0.bias", "1.weight", "1.bias"});
  CHECK(model->named_parameters().keys()[4] == "0.1.0.weight");
  CHECK(inner->size() == 2);
  CHECK(inner[1].get() == inner->ptr(1).get());
  CHECK_THROWS_WITH(inner->ptr(2), Equals("Branches: branch 2 of 2: need a smaller number"));
  const Tensor y = model(backflow::rand({7, 6}));
  CHECK(model->output_shape({7, 6}) == DimVector(y.sizes()));
  CHECK(DimVector(y.sizes()) == DimVector{7, 5});
  std::ostringstream text;
  text << *inner;
  CHECK(text.str() ==
        "Branches(\n"
        "  combine=concat, dim=1\n"
        "  (0): Linear(in_features=4, out_features=2, bias=True)\n"
        "  (1): Linear(in_features=4, out_features=3, bias=True)\n"
        ")");
}

TEST_CASE("branches: errors name the branch", "[nn]") {
  const nn::Branches wrong(nn::Sequential(nn::Linear(6, 4)), nn::Sequential(nn::Linear(6, 5), nn::Linear(4, 4)));
  CHECK_THROWS_WITH(wrong->output_shape({2, 6}), Equals("linear: input size 5 of shape [2, 5]: need 4; in layer 1.1"));
  const nn::Branches uneven(nn::Linear(6, 4), nn::Linear(6, 1));
  const std::string need = "branches: branch 1 gives shape [2, 1], those before it [2, 4]: need ";
  CHECK_THROWS_WITH(uneven->output_shape({2, 6}), Equals(need + "one shape for a sum"));
  CHECK_THROWS_WITH(uneven(backflow::rand({2, 6})), Equals(need + "one shape for a sum"));
  uneven->options = nn::BranchesOptions(backflow::kBranchConcat).dim(0);
  CHECK_THROWS_WITH(uneven->output_shape({2, 6}), Equals(need + "shapes that differ in dimension 0 alone"));
  CHECK_THROWS_WITH(uneven(backflow::rand({2, 6})), Equals(need + "shapes that differ in dimension 0 alone"));
  uneven->options.dim(2);
  CHECK_THROWS_AS(uneven->output_shape({2, 6}), Error);
  CHECK_THROWS_AS(uneven(backflow::rand({2, 6})), Error);
  CHECK_THROWS_WITH(nn::Branches()(backflow::ones({1})), Equals("branches: no branches: need at least one"));
  CHECK_THROWS_WITH(nn::Branches()->output_shape({1}), Equals("branches: no branches: need at least one"));
}
