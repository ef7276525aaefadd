// What operators are said to cost, over the sample table.
#include <algorithm>
#include <set>
#include <string>

#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/tests/support/samples.h>
#include <backflow/tests/support/tracing.h>

using namespace backflow;
using namespace backflow::test;

namespace {

const std::set<std::string> kProducts = {"mm",
                                         "bmm",
                                         "matmul",
                                         "mv",
                                         "dot",
                                         "vdot",
                                         "outer",
                                         "ger",
                                         "inner",
                                         "linear",
                                         "einsum",
                                         "tensordot",
                                         "addmm",
                                         "addmv",
                                         "addbmm",
                                         "baddbmm",
                                         "conv1d",
                                         "conv2d",
                                         "conv3d",
                                         "conv_transpose1d",
                                         "conv_transpose2d",
                                         "conv_transpose3d",
                                         "convolution"};

/// The number of the first factor: what is in front is added to the product.
std::size_t first_factor(const Sample& sample) {
  const bool adds = sample.op.starts_with("add") || sample.op.starts_with("badd");
  return adds ? 1 : 0;
}

/// Whether it is the plain product of two operands, maybe added to others. An einsum that sums up one operand alone
/// does so before it multiplies, and needs fewer operations than its sum has terms.
bool is_product(const Sample& sample) {
  const bool scaled = sample.torch.find("alpha") != std::string::npos;
  const bool sums_first = sample.label == "lonely_sums" || sample.label == "one_broadcasts";
  const bool of_two = sample.op != "einsum" || (sample.operands.size() == 2 && !sums_first);
  return kProducts.count(sample.op) > 0 && !scaled && of_two && sample.operands.size() >= first_factor(sample) + 2;
}

}  // namespace

TEST_CASE("costs: a product takes two operations for each of its terms", "[costs]") {
  std::set<std::string> seen;
  for (const Sample& sample : samples()) {
    if (!is_product(sample)) {
      continue;
    }
    // Of factors of ones, and zeros to be added to, the elements of the product are the numbers of its terms.
    Arrays values = operand_values(sample);
    const std::size_t first = first_factor(sample);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool is_factor = i == first || i == first + 1;
      std::fill(values[i].data.begin(), values[i].data.end(), is_factor ? 1 : 0);
    }
    const NoGradGuard no_grad;
    const Tensors operands = operands_of(sample, values, kFloat32);
    trace::start();
    const Tensor y = sample.call(operands);
    trace::stop();
    double flop = 0;
    for (const trace::Event& event : events(trace::Kind::kOperator)) {
      flop += event.flop;
    }
    const auto terms = sum(y).item<double>();
    INFO(reproduce(sample, "costs: a product takes two operations for each of its terms"));
    CHECK(flop >= (terms > static_cast<double>(y.numel()) ? 2 * terms : terms));
    seen.insert(sample.op);
  }
  CHECK(seen == kProducts);
}

TEST_CASE("costs: a view of all elements has a gradient that costs nothing, one of a part writes them all", "[costs]") {
  std::set<std::string> nodes;
  for (const Sample& sample : samples()) {
    if (sample.operands.size() != 1 || !sample.differentiable) {
      continue;
    }
    const Tensors operands = operands_of(sample, operand_values(sample), kFloat32);
    const Tensor x = operands[0];
    const Tensor y = sample.call(operands);
    if (y.is_same(x) || !y.is_alias_of(x) || y.grad_fn() == nullptr || x.numel() == 0) {
      continue;
    }
    INFO(reproduce(sample,
                   "costs: a view of all elements has a gradient that costs nothing, one of a part writes them all"));
    // The gradient of a view that shows every element once is a view of dy.
    const Tensor dy = randn(y.sizes());
    const Tensor dx = autograd::grad({y}, {x}, {dy})[0];
    if (y.numel() == x.numel() && dx.is_alias_of(dy)) {
      CHECK(y.grad_fn()->cost().flop == 0);
      CHECK(y.grad_fn()->cost().bytes == 0);
      nodes.insert(y.grad_fn()->name());
    } else {
      CHECK(y.grad_fn()->cost().bytes >= static_cast<float>(std::min(x.nbytes(), y.nbytes())));
    }
  }
  for (const char* node :
       {"ReshapeAliasBackward0", "ViewBackward0", "SqueezeBackward0", "SqueezeBackward1", "UnsqueezeBackward0",
        "AliasBackward0", "TransposeBackward0", "TBackward0", "PermuteBackward0"}) {
    CAPTURE(node);
    CHECK(nodes.count(node) == 1);
  }
}
