// Which operators give another tensor where nothing changes, and which the tensor itself: as in libtorch.
#include <functional>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/dropout.h>
#include <backflow/ops/indexing/tensor_index.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;
using namespace backflow::indexing;

namespace {

struct Call {
  const char* name;
  std::function<Tensor(const Tensor&)> f;
};

}  // namespace

TEST_CASE("identity: views that show everything are tensors of their own") {
  const Tensor x = zeros({2, 3});
  for (const Call& call : std::vector<Call>{
           {"alias", [](const Tensor& t) { return t.alias(); }},
           {"view",
            [](const Tensor& t) {
              return t.view({2, 3});
            }},
           {"view_as", [](const Tensor& t) { return t.view_as(t); }},
           {"reshape",
            [](const Tensor& t) {
              return t.reshape({2, 3});
            }},
           {"expand",
            [](const Tensor& t) {
              return t.expand({2, 3});
            }},
           {"expand_as", [](const Tensor& t) { return t.expand_as(t); }},
           {"broadcast_to",
            [](const Tensor& t) {
              return t.broadcast_to({2, 3});
            }},
           {"squeeze", [](const Tensor& t) { return t.squeeze(); }},
           {"squeeze of a dimension", [](const Tensor& t) { return t.squeeze(0); }},
           {"unflatten", [](const Tensor& t) { return t.unflatten(0, 2); }},
           {"transpose", [](const Tensor& t) { return t.transpose(0, 0); }},
           {"swapaxes", [](const Tensor& t) { return t.swapaxes(1, 1); }},
           {"permute",
            [](const Tensor& t) {
              return t.permute({0, 1});
            }},
           {"movedim", [](const Tensor& t) { return t.movedim({0}, {0}); }},
           {"slice", [](const Tensor& t) { return t.slice(0); }},
           {"narrow", [](const Tensor& t) { return t.narrow(1, 0, 3); }},
           {"split", [](const Tensor& t) { return t.split(2)[0]; }},
           {"chunk", [](const Tensor& t) { return t.chunk(1)[0]; }},
           {"tensor_split", [](const Tensor& t) { return t.tensor_split(1)[0]; }},
           {"as_strided",
            [](const Tensor& t) {
              return t.as_strided({2, 3}, {3, 1});
            }},
           {"index ...", [](const Tensor& t) { return t.index({"..."}); }},
           {"index Ellipsis", [](const Tensor& t) { return t.index({Ellipsis}); }},
           {"index :", [](const Tensor& t) { return t.index({Slice()}); }},
           {"index :, :",
            [](const Tensor& t) {
              return t.index({Slice(), Slice(0, None)});
            }},
           {"index ..., :",
            [](const Tensor& t) {
              return t.index({"...", Slice()});
            }},
           {"index nothing", [](const Tensor& t) { return t.index({}); }},
           {"index an empty list", [](const Tensor& t) { return t.index(std::vector<TensorIndex>()); }},
       }) {
    INFO(call.name);
    const Tensor y = call.f(x);
    CHECK_FALSE(y.is_same(x));
    CHECK(y.is_view());
    CHECK((y.is_view() && y._base().is_same(x)));
    CHECK(y.is_alias_of(x));
    CHECK(y.sizes() == x.sizes());
  }
  CHECK_FALSE(x.detach().is_same(x));
  const Tensor line = zeros({3});
  CHECK_FALSE(line.t().is_same(line));
  const Tensor number = zeros({});
  CHECK_FALSE(number.index({"..."}).is_same(number));
}

TEST_CASE("identity: operators that have nothing to do give the tensor itself") {
  const Tensor x = zeros({2, 3});
  const Tensor line = zeros({3});
  CHECK(x.contiguous().is_same(x));
  CHECK(x.to(kFloat32).is_same(x));
  CHECK(x.to(x).is_same(x));
  CHECK(x.type_as(x).is_same(x));
  CHECK(x.cpu().is_same(x));
  CHECK(line.flatten().is_same(line));
  CHECK(x.flatten(1, 1).is_same(x));
  CHECK(dropout(x, 0.5, false).is_same(x));
  CHECK(feature_dropout(x, 0.5, false).is_same(x));
  CHECK_FALSE(x.to(kFloat32, false, true).is_same(x));
  CHECK(zeros({}).flatten().sizes() == IntArrayRef({1}));
}

TEST_CASE("identity: what is set on a view of everything is not set on the tensor") {
  const Tensor x = zeros({3});
  const Tensor y = x.index({Slice()});
  y.requires_grad_();
  CHECK_FALSE(x.requires_grad());
  y.mutable_grad() = ones({3});
  CHECK_FALSE(x.grad().defined());
  const Tensor w = ones({2}, requires_grad());
  const Tensor z = w.index({"..."});
  CHECK(z.grad_fn()->name() == "AliasBackward0");
  (z * tensor({2.0, 3.0})).sum().backward();
  CHECK(bitwise_equal(w.grad(), tensor({2.0, 3.0})));
}
