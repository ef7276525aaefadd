#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

Array same(const Arrays& x) { return x[0]; }
Array zeros(const Arrays& x) { return array_of(x[0].sizes); }

void add_copies(Samples& all) {
  for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
    const std::vector<Operand> one = {{{3, 4}, -2, 2, layout}};
    all.push_back({.op = "clone",
                   .label = name(layout),
                   .operands = one,
                   .call = [](const Tensors& x) { return clone(x[0]); },
                   .reference = same,
                   .torch = "torch.clone(x[0])"});
    all.push_back({.op = "contiguous",
                   .label = name(layout),
                   .operands = one,
                   .call = [](const Tensors& x) { return x[0].contiguous(); },
                   .reference = same,
                   .torch = "x[0].contiguous()"});
    all.push_back({.op = "to",
                   .label = std::string("f64_") + name(layout),
                   .operands = one,
                   .call = [](const Tensors& x) { return x[0].to(kFloat64); },
                   .reference = same,
                   .torch = "x[0].to(torch.float64)"});
    all.push_back({.op = "to_copy",
                   .label = std::string("f64_") + name(layout),
                   .operands = one,
                   .call = [](const Tensors& x) { return to_copy(x[0], kFloat64); },
                   .reference = same,
                   .torch = "torch.ops.aten._to_copy(x[0], dtype=torch.float64)"});
    all.push_back({.op = "to",
                   .label = std::string("f32_") + name(layout),
                   .operands = one,
                   .call = [](const Tensors& x) { return x[0].to(kFloat32).to(x[0].scalar_type()); },
                   .reference = same,
                   .torch = "x[0].to(torch.float32).to(x[0].dtype)"});
    all.push_back({.op = "copy",
                   .label = name(layout),
                   .operands = {{{3, 4}}, {{3, 4}, -2, 2, layout}},
                   .call = [](const Tensors& x) { return copy(x[0], x[1]); },
                   .reference = [](const Arrays& x) { return x[1]; },
                   .inplace = [](const Tensors& x) { x[0].copy_(x[1]); },
                   .torch = "x[0].clone().copy_(x[1])"});
  }
  all.push_back({.op = "copy",
                 .label = "broadcast",
                 .operands = {{{3, 4}}, {{3, 1}}},
                 .call = [](const Tensors& x) { return copy(x[0], x[1]); },
                 .reference = [](const Arrays& x) { return map(x[0], x[1], [](double, double w) { return w; }); },
                 .inplace = [](const Tensors& x) { x[0].copy_(x[1]); },
                 .torch = "x[0].clone().copy_(x[1])"});
  for (const Index& sizes : std::vector<Index>{{2, 3}, {}, {0}}) {
    const std::string label = "rank" + std::to_string(sizes.size()) + (sizes == Index{0} ? "_empty" : "");
    all.push_back({.op = "zeros_like",
                   .label = label,
                   .operands = {{sizes}},
                   .call = [](const Tensors& x) { return zeros_like(x[0]); },
                   .reference = zeros,
                   .differentiable = false,
                   .torch = "torch.zeros_like(x[0])"});
    all.push_back({.op = "full_like",
                   .label = label,
                   .operands = {{sizes}},
                   .call = [](const Tensors& x) { return full_like(x[0], 2.5); },
                   .reference = [](const Arrays& x) { return map(x[0], [](double) { return 2.5; }); },
                   .differentiable = false,
                   .torch = "torch.full_like(x[0], 2.5)"});
    all.push_back({.op = "zero",
                   .label = label,
                   .operands = {{sizes}},
                   .call = [](const Tensors& x) { return zero(x[0]); },
                   .reference = zeros,
                   .inplace = [](const Tensors& x) { x[0].zero_(); },
                   .torch = "x[0].clone().zero_()"});
    all.push_back({.op = "fill",
                   .label = label,
                   .operands = {{sizes}},
                   .call = [](const Tensors& x) { return fill(x[0], 2.5); },
                   .reference = [](const Arrays& x) { return map(x[0], [](double) { return 2.5; }); },
                   .inplace = [](const Tensors& x) { x[0].fill_(2.5); },
                   .torch = "torch.fill(x[0], 2.5)"});
  }
}

}  // namespace

Samples copies_samples() {
  Samples all;
  add_copies(all);
  return all;
}

}  // namespace backflow::test
