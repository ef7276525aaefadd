#include <optional>

#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

/// The elements of x in row-major order under other sizes.
Array reshaped(const Array& x, Index sizes) { return {std::move(sizes), x.data}; }

Array transposed(const Array& x, std::size_t a, std::size_t b) {
  Index sizes = x.sizes;
  std::swap(sizes[a], sizes[b]);
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& to) {
    Index from = to;
    std::swap(from[a], from[b]);
    y.at(to) = x.at(from);
  });
  return y;
}

Array expanded(const Array& x, const Index& sizes) {
  return map(array_of(sizes), x, [](double, double v) { return v; });
}

Array same(const Arrays& x) { return x[0]; }

void add_reshape(Samples& all) {
  struct Case {
    const char* label;
    Index from;
    Index asked;
    Index to;
    Layout layout = Layout::Contiguous;
  };
  for (const Case& c : std::vector<Case>{{"matrix", {2, 6}, {3, 4}, {3, 4}},
                                         {"inferred", {2, 6}, {3, -1}, {3, 4}},
                                         {"to_scalar", {1, 1}, {}, {}},
                                         {"from_scalar", {}, {1, 1}, {1, 1}},
                                         {"empty", {0, 3}, {3, 0, 2}, {3, 0, 2}},
                                         {"transposed", {3, 4}, {2, 6}, {2, 6}, Layout::Transposed},
                                         {"ones_transposed", {3, 1, 4}, {12}, {12}, Layout::Transposed},
                                         {"strided", {2, 3, 4}, {6, 4}, {6, 4}, Layout::Strided},
                                         {"expanded", {3, 4}, {12}, {12}, Layout::Expanded}}) {
    const auto reference = [to = c.to](const Arrays& x) { return reshaped(x[0], to); };
    all.push_back({.op = "reshape",
                   .label = c.label,
                   .operands = {{c.from, -2, 2, c.layout}},
                   .call = [asked = c.asked](const Tensors& x) { return reshape(x[0], asked); },
                   .reference = reference,
                   .torch = to_text("torch.reshape(x[0], ", python(c.asked), ")")});
    if (c.layout == Layout::Contiguous) {
      all.push_back({.op = "view",
                     .label = c.label,
                     .operands = {{c.from}},
                     .call = [asked = c.asked](const Tensors& x) { return x[0].view(asked); },
                     .reference = reference,
                     .torch = to_text("x[0].view(", python(c.asked), ")")});
    }
  }
  all.push_back({.op = "view",
                 .label = "split_strided",
                 .operands = {{{6, 4}, -2, 2, Layout::Strided}},
                 .call =
                     [](const Tensors& x) {
                       return x[0].view({2, 3, 4, 1});
                     },
                 .reference =
                     [](const Arrays& x) {
                       return reshaped(x[0], {2, 3, 4, 1});
                     },
                 .torch = "x[0].view(2, 3, 4, 1)"});
  for (const Layout layout : {Layout::Contiguous, Layout::Expanded}) {
    all.push_back({.op = "alias",
                   .label = layout == Layout::Expanded ? "expanded" : "all",
                   .operands = {{{2, 3}, -2, 2, layout}},
                   .call = [](const Tensors& x) { return x[0].alias(); },
                   .reference = [](const Arrays& x) { return x[0]; },
                   .torch = "torch.ops.aten.alias(x[0])"});
  }
  all.push_back({.op = "flatten",
                 .label = "all",
                 .operands = {{{2, 3, 4}}},
                 .call = [](const Tensors& x) { return x[0].flatten(); },
                 .reference = [](const Arrays& x) { return reshaped(x[0], {24}); },
                 .torch = "torch.flatten(x[0])"});
  all.push_back({.op = "flatten",
                 .label = "last_transposed",
                 .operands = {{{2, 3, 4}, -2, 2, Layout::Transposed}},
                 .call = [](const Tensors& x) { return x[0].flatten(1); },
                 .reference =
                     [](const Arrays& x) {
                       return reshaped(x[0], {2, 12});
                     },
                 .torch = "torch.flatten(x[0], 1)"});
  all.push_back({.op = "flatten",
                 .label = "first_empty",
                 .operands = {{{2, 0, 4}}},
                 .call = [](const Tensors& x) { return x[0].flatten(0, -2); },
                 .reference =
                     [](const Arrays& x) {
                       return reshaped(x[0], {0, 4});
                     },
                 .torch = "torch.flatten(x[0], 0, -2)"});
  all.push_back({.op = "flatten",
                 .label = "scalar",
                 .operands = {{{}}},
                 .call = [](const Tensors& x) { return x[0].flatten(); },
                 .reference = [](const Arrays& x) { return reshaped(x[0], {1}); },
                 .torch = "torch.flatten(x[0])"});
}

void add_transpose(Samples& all) {
  for (const Layout layout : {Layout::Contiguous, Layout::Strided, Layout::Expanded}) {
    all.push_back({.op = "transpose",
                   .label = name(layout),
                   .operands = {{{2, 3, 4}, -2, 2, layout}},
                   .call = [](const Tensors& x) { return transpose(x[0], 0, -1); },
                   .reference = [](const Arrays& x) { return transposed(x[0], 0, 2); },
                   .torch = "torch.transpose(x[0], 0, -1)"});
    all.push_back({.op = "t",
                   .label = name(layout),
                   .operands = {{{3, 4}, -2, 2, layout}},
                   .call = [](const Tensors& x) { return x[0].t(); },
                   .reference = [](const Arrays& x) { return transposed(x[0], 0, 1); },
                   .torch = "torch.t(x[0])"});
  }
  all.push_back({.op = "transpose",
                 .label = "scalar",
                 .operands = {{{}}},
                 .call = [](const Tensors& x) { return transpose(x[0], 0, -1); },
                 .reference = same,
                 .torch = "torch.transpose(x[0], 0, -1)"});
  all.push_back({.op = "transpose",
                 .label = "empty",
                 .operands = {{{0, 3}}},
                 .call = [](const Tensors& x) { return transpose(x[0], 0, 1); },
                 .reference = [](const Arrays& x) { return transposed(x[0], 0, 1); },
                 .torch = "torch.transpose(x[0], 0, 1)"});
  all.push_back({.op = "t",
                 .label = "vector",
                 .operands = {{{3}}},
                 .call = [](const Tensors& x) { return x[0].t(); },
                 .reference = same,
                 .torch = "torch.t(x[0])"});
}

void add_permute(Samples& all) {
  for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
    all.push_back({.op = "permute",
                   .label = name(layout),
                   .operands = {{{2, 3, 4}, -2, 2, layout}},
                   .call =
                       [](const Tensors& x) {
                         return x[0].permute({2, 0, -2});
                       },
                   .reference =
                       [](const Arrays& x) {
                         return permuted(x[0], {2, 0, 1});
                       },
                   .torch = "torch.permute(x[0], (2, 0, -2))"});
  }
  all.push_back({.op = "permute",
                 .label = "scalar",
                 .operands = {{{}}},
                 .call = [](const Tensors& x) { return x[0].permute({}); },
                 .reference = same,
                 .torch = "torch.permute(x[0], ())"});
  all.push_back({.op = "permute",
                 .label = "empty",
                 .operands = {{{0, 3}}},
                 .call =
                     [](const Tensors& x) {
                       return x[0].permute({1, 0});
                     },
                 .reference = [](const Arrays& x) { return transposed(x[0], 0, 1); },
                 .torch = "torch.permute(x[0], (1, 0))"});
}

void add_squeeze(Samples& all) {
  struct Case {
    const char* op;
    const char* label;
    Index from;
    std::optional<std::int64_t> dim;
    Index to;
    Layout layout = Layout::Contiguous;
  };
  const std::optional<std::int64_t> none;
  for (const Case& c : std::vector<Case>{{"squeeze", "all", {1, 2, 1, 3}, none, {2, 3}},
                                         {"squeeze", "all_transposed", {3, 1, 4}, none, {3, 4}, Layout::Transposed},
                                         {"squeeze", "none", {2, 3}, none, {2, 3}, Layout::Strided},
                                         {"squeeze", "to_scalar", {1, 1}, none, {}},
                                         {"squeeze", "scalar", {}, none, {}},
                                         {"squeeze", "empty", {0, 1}, none, {0}},
                                         {"squeeze", "first", {1, 2, 1}, 0, {2, 1}},
                                         {"squeeze", "last_strided", {3, 2, 1}, -1, {3, 2}, Layout::Strided},
                                         {"squeeze", "not_one", {3, 1}, 0, {3, 1}},
                                         {"squeeze", "dim_of_scalar", {}, 0, {}},
                                         {"unsqueeze", "first", {2, 3}, 0, {1, 2, 3}},
                                         {"unsqueeze", "middle_transposed", {2, 3}, 1, {2, 1, 3}, Layout::Transposed},
                                         {"unsqueeze", "last_strided", {2, 3}, -1, {2, 3, 1}, Layout::Strided},
                                         {"unsqueeze", "expanded", {3, 4}, -3, {1, 3, 4}, Layout::Expanded},
                                         {"unsqueeze", "scalar", {}, 0, {1}},
                                         {"unsqueeze", "empty", {0}, 1, {0, 1}}}) {
    all.push_back({.op = c.op,
                   .label = c.label,
                   .operands = {{c.from, -2, 2, c.layout}},
                   .call =
                       [adds = c.op[0] == 'u', dim = c.dim](const Tensors& x) {
                         return adds ? x[0].unsqueeze(*dim) : dim ? x[0].squeeze(*dim) : x[0].squeeze();
                       },
                   .reference = [to = c.to](const Arrays& x) { return reshaped(x[0], to); },
                   .torch = to_text("torch.", c.op, "(x[0]", c.dim ? ", " + python(c.dim) : "", ")")});
  }
}

void add_as_other(Samples& all) {
  // The other operand's values do not matter, so it is one without a gradient.
  const Operand other = {.sizes = {3, 4}, .low = 0, .high = 2, .of = Of::Integer};
  all.push_back({.op = "view_as",
                 .label = "matrix",
                 .operands = {{{2, 6}}, other},
                 .call = [](const Tensors& x) { return x[0].view_as(x[1]); },
                 .reference =
                     [](const Arrays& x) {
                       return reshaped(x[0], {3, 4});
                     },
                 .torch = "x[0].view_as(x[1])"});
  all.push_back({.op = "expand_as",
                 .label = "row",
                 .operands = {{{4}}, other},
                 .call = [](const Tensors& x) { return x[0].expand_as(x[1]); },
                 .reference =
                     [](const Arrays& x) {
                       return expanded(x[0], {3, 4});
                     },
                 .torch = "x[0].expand_as(x[1])"});
}

void add_expand(Samples& all) {
  struct Case {
    const char* label;
    Index from;
    Index asked;
    Index to;
    Layout layout = Layout::Contiguous;
  };
  for (const Case& c : std::vector<Case>{{"column", {3, 1}, {3, 4}, {3, 4}},
                                         {"new_dimension", {3}, {2, 3}, {2, 3}},
                                         {"kept", {3, 1}, {2, -1, 4}, {2, 3, 4}},
                                         {"scalar", {}, {2, 2}, {2, 2}},
                                         {"empty", {1, 3}, {0, 3}, {0, 3}},
                                         {"transposed", {3, 1, 2}, {3, 4, 2}, {3, 4, 2}, Layout::Transposed}}) {
    all.push_back({.op = "expand",
                   .label = c.label,
                   .operands = {{c.from, -2, 2, c.layout}},
                   .call = [asked = c.asked](const Tensors& x) { return expand(x[0], asked); },
                   .reference = [to = c.to](const Arrays& x) { return expanded(x[0], to); },
                   .torch = to_text("x[0].expand(", python(c.asked), ")")});
  }
}

}  // namespace

Samples views_samples() {
  Samples all;
  add_reshape(all);
  add_squeeze(all);
  add_transpose(all);
  add_permute(all);
  add_expand(all);
  add_as_other(all);
  return all;
}

}  // namespace backflow::test
