#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

using Index = std::vector<std::int64_t>;

Array same(const Arrays& x) { return x[0]; }
Array zeros(const Arrays& x) { return array_of(x[0].sizes); }

void add_copies(Samples& all) {
  for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
    const std::vector<Operand> one = {{{3, 4}, -2, 2, layout}};
    all.push_back({"clone", name(layout), one, [](const Tensors& x) { return clone(x[0]); }, same});
    all.push_back({"contiguous", name(layout), one, [](const Tensors& x) { return x[0].contiguous(); }, same});
    all.push_back(
        {"to", std::string("f64_") + name(layout), one, [](const Tensors& x) { return x[0].to(kFloat64); }, same});
    all.push_back({"to_copy", std::string("f64_") + name(layout), one,
                   [](const Tensors& x) { return to_copy(x[0], kFloat64); }, same});
    all.push_back({"to", std::string("f32_") + name(layout), one,
                   [](const Tensors& x) { return x[0].to(kFloat32).to(x[0].scalar_type()); }, same});
    all.push_back({"copy",
                   name(layout),
                   {{{3, 4}}, {{3, 4}, -2, 2, layout}},
                   [](const Tensors& x) { return copy(x[0], x[1]); },
                   [](const Arrays& x) { return x[1]; },
                   [](const Tensors& x) { x[0].copy_(x[1]); }});
  }
  all.push_back({"copy",
                 "broadcast",
                 {{{3, 4}}, {{3, 1}}},
                 [](const Tensors& x) { return copy(x[0], x[1]); },
                 [](const Arrays& x) { return map(x[0], x[1], [](double, double w) { return w; }); },
                 [](const Tensors& x) { x[0].copy_(x[1]); }});
  for (const Index& sizes : std::vector<Index>{{2, 3}, {}, {0}}) {
    const std::string label = "rank" + std::to_string(sizes.size()) + (sizes == Index{0} ? "_empty" : "");
    all.push_back({.op = "zeros_like",
                   .label = label,
                   .operands = {{sizes}},
                   .call = [](const Tensors& x) { return zeros_like(x[0]); },
                   .reference = zeros,
                   .differentiable = false});
    all.push_back({.op = "full_like",
                   .label = label,
                   .operands = {{sizes}},
                   .call = [](const Tensors& x) { return full_like(x[0], 2.5); },
                   .reference = [](const Arrays& x) { return map(x[0], [](double) { return 2.5; }); },
                   .differentiable = false});
    all.push_back({"zero",
                   label,
                   {{sizes}},
                   [](const Tensors& x) { return zero(x[0]); },
                   zeros,
                   [](const Tensors& x) { x[0].zero_(); }});
    all.push_back({"fill",
                   label,
                   {{sizes}},
                   [](const Tensors& x) { return fill(x[0], 2.5); },
                   [](const Arrays& x) { return map(x[0], [](double) { return 2.5; }); },
                   [](const Tensors& x) { x[0].fill_(2.5); }});
  }
}

}  // namespace

Samples copies_samples() {
  Samples all;
  add_copies(all);
  return all;
}

}  // namespace backflow::test
