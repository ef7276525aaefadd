// Views copy nothing, and their nodes are called as PyTorch's.
#include <functional>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("views: they share their operand's storage, and are recorded under PyTorch's names") {
  struct Row {
    std::string node;
    std::function<Tensor(const Tensor&)> call;
    DimVector strides;
    std::int64_t offset;
  };
  const Tensor x = zeros({3, 1, 4}, requires_grad());
  for (const Row& r : std::vector<Row>{
           {"ViewBackward0",
            [](const Tensor& t) {
              return t.view({6, 2});
            },
            {2, 1},
            0},
           {"ViewBackward0",
            [](const Tensor& t) {
              return t.view_as(zeros({2, 6}));
            },
            {6, 1},
            0},
           {"SqueezeBackward0", [](const Tensor& t) { return t.squeeze(); }, {4, 1}, 0},
           {"SqueezeBackward1", [](const Tensor& t) { return t.squeeze(1); }, {4, 1}, 0},
           {"UnsqueezeBackward0", [](const Tensor& t) { return t.unsqueeze(-1); }, {4, 4, 1, 1}, 0},
           {"TransposeBackward0", [](const Tensor& t) { return t.transpose(0, 2); }, {1, 4, 4}, 0},
           {"PermuteBackward0",
            [](const Tensor& t) {
              return t.permute({2, 0, 1});
            },
            {1, 4, 4},
            0},
           {"ExpandBackward0",
            [](const Tensor& t) {
              return t.expand_as(zeros({3, 2, 4}));
            },
            {4, 0, 1},
            0},
           {"SelectBackward0", [](const Tensor& t) { return t[2]; }, {4, 1}, 8},
           {"SliceBackward0", [](const Tensor& t) { return t.slice(2, 1, std::nullopt, 2); }, {4, 4, 2}, 1},
           {"SliceBackward0", [](const Tensor& t) { return t.narrow(0, 1, 2); }, {4, 4, 1}, 4},
           {"DiagonalBackward0", [](const Tensor& t) { return t.diagonal(-1, 0, 2); }, {4, 5}, 4}}) {
    CAPTURE(r.node);
    const Tensor y = r.call(x);
    CHECK(y.grad_fn()->name() == r.node);
    CHECK(y.impl().storage == x.impl().storage);
    CHECK(y.is_view());
    CHECK(y.strides() == IntArrayRef(r.strides));
    CHECK(y.storage_offset() == r.offset);
  }
}
