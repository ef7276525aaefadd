#include <algorithm>

#include <backflow/ops/operators.h>
#include <backflow/runtime/error.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

using Index = std::vector<std::int64_t>;

/// Sums over the dimensions that `dims` lists, which stay with size 1.
Array sum_keeping(const Array& x, const Index& dims) {
  const auto is_summed = [&](std::size_t d) {
    return std::find(dims.begin(), dims.end(), static_cast<std::int64_t>(d)) != dims.end();
  };
  const auto folded = [&](Index index) {
    for (std::size_t d = 0; d < index.size(); ++d) {
      index[d] = is_summed(d) ? 0 : index[d];
    }
    return index;
  };
  Index sizes = x.sizes;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    sizes[d] = is_summed(d) ? 1 : sizes[d];
  }
  Array y = array_of(sizes);
  for_each_index(x.sizes, [&](const Index& index) { y.at(folded(index)) += x.at(index); });
  return y;
}

struct Case {
  const char* label;
  Index sizes;
  Index dims;    ///< as the operator is asked; may be negative
  Index summed;  ///< the same, counted from 0
  Index result;  ///< sizes without keepdim
  Layout layout = Layout::Contiguous;
};

std::vector<Case> cases() {
  return {{"rows", {3, 4}, {0}, {0}, {4}},
          {"columns", {3, 4}, {-1}, {1}, {3}},
          {"middle", {2, 3, 4}, {1}, {1}, {2, 4}},
          {"outer_two", {2, 3, 4}, {0, -1}, {0, 2}, {3}},
          {"every_other", {2, 3, 2, 3, 2}, {0, 2, 4}, {0, 2, 4}, {3, 3}},
          {"inner_two", {2, 3, 4}, {1, 2}, {1, 2}, {2}},
          {"empty_list", {2, 3}, {}, {0, 1}, {}},
          {"scalar", {}, {0}, {}, {}},
          {"one_sized", {1, 3, 1}, {0, 2}, {0, 2}, {3}},
          {"empty_summed", {3, 0}, {1}, {1}, {3}},
          {"empty_kept", {3, 0}, {0}, {0}, {0}},
          {"transposed", {3, 4, 5}, {0}, {0}, {4, 5}, Layout::Transposed},
          {"strided", {3, 5}, {1}, {1}, {3}, Layout::Strided},
          {"expanded", {3, 4}, {0}, {0}, {4}, Layout::Expanded}};
}

double terms(const Case& c) {
  double n = 1;
  for (const std::int64_t d : c.summed) {
    n *= static_cast<double>(c.sizes[static_cast<std::size_t>(d)]);
  }
  return n;
}

void add_case(Samples& all, const Case& c) {
  const auto total = [c](const Arrays& x) { return Array{c.result, sum_keeping(x[0], c.summed).data}; };
  const auto kept = [c](const Arrays& x) { return sum_keeping(x[0], c.summed); };
  const auto average = [c, total](const Arrays& x) { return map(total(x), [&](double v) { return v / terms(c); }); };
  const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout}};
  const bool whole = c.result.empty() && c.dims.empty();
  all.push_back({.op = "sum",
                 .label = c.label,
                 .operands = one,
                 .call = [c](const Tensors& x) { return x[0].sum(c.dims); },
                 .reference = total,
                 .torch = concat("torch.sum(x[0], ", python(c.dims), ")")});
  all.push_back({.op = "sum",
                 .label = std::string(c.label) + "_keepdim",
                 .operands = one,
                 .call = [c](const Tensors& x) { return x[0].sum(c.dims, true); },
                 .reference = kept,
                 .torch = concat("torch.sum(x[0], ", python(c.dims), ", True)")});
  all.push_back({.op = "mean",
                 .label = c.label,
                 .operands = one,
                 .call = [c](const Tensors& x) { return x[0].mean(c.dims); },
                 .reference = average,
                 .torch = concat("torch.mean(x[0], ", python(c.dims), ")")});
  if (whole) {
    for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
      const std::vector<Operand> operand = {{c.sizes, -2, 2, layout}};
      all.push_back({.op = "sum",
                     .label = std::string("all_") + name(layout),
                     .operands = operand,
                     .call = [](const Tensors& x) { return x[0].sum(); },
                     .reference = total,
                     .torch = "torch.sum(x[0])"});
      all.push_back({.op = "mean",
                     .label = std::string("all_") + name(layout),
                     .operands = operand,
                     .call = [](const Tensors& x) { return x[0].mean(); },
                     .reference = average,
                     .torch = "torch.mean(x[0])"});
    }
  }
}

}  // namespace

Samples reduction_samples() {
  Samples all;
  for (const Case& c : cases()) {
    add_case(all, c);
  }
  struct ToSize {
    const char* label;
    Index from;
    Index summed;
    Index to;
    Layout layout = Layout::Contiguous;
  };
  for (const ToSize& c : std::vector<ToSize>{{"row", {3, 4}, {0}, {4}},
                                             {"column", {3, 4}, {1}, {3, 1}},
                                             {"same", {3, 4}, {}, {3, 4}, Layout::Transposed},
                                             {"scalar", {2, 3}, {0, 1}, {}},
                                             {"empty", {0, 3}, {0}, {3}},
                                             {"expanded", {3, 2, 2}, {0, 2}, {2, 1}, Layout::Expanded}}) {
    all.push_back({.op = "sum_to_size",
                   .label = c.label,
                   .operands = {{c.from, -2, 2, c.layout}},
                   .call = [to = c.to](const Tensors& x) { return x[0].sum_to_size(to); },
                   .reference =
                       [c](const Arrays& x) {
                         return Array{c.to, sum_keeping(x[0], c.summed).data};
                       },
                   .torch = concat("x[0].sum_to_size(", python(c.to), ")")});
  }
  return all;
}

}  // namespace backflow::test
