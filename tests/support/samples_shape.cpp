#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

using Index = std::vector<std::int64_t>;

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

Array selected(const Array& x, std::size_t dim, std::int64_t index) {
  Index sizes = x.sizes;
  sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(dim));
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& to) {
    Index from = to;
    from.insert(from.begin() + static_cast<std::ptrdiff_t>(dim), index);
    y.at(to) = x.at(from);
  });
  return y;
}

Array unselected(const Array& dy, const Index& sizes, std::size_t dim, std::int64_t index) {
  Array y = array_of(sizes);
  for_each_index(dy.sizes, [&](const Index& from) {
    Index to = from;
    to.insert(to.begin() + static_cast<std::ptrdiff_t>(dim), index);
    y.at(to) = dy.at(from);
  });
  return y;
}

Array same(const Arrays& x) { return x[0]; }
Array zeros(const Arrays& x) { return array_of(x[0].sizes); }

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
    all.push_back({"reshape",
                   c.label,
                   {{c.from, -2, 2, c.layout}},
                   [asked = c.asked](const Tensors& x) { return reshape(x[0], asked); },
                   reference});
    if (c.layout == Layout::Contiguous) {
      all.push_back(
          {"view", c.label, {{c.from}}, [asked = c.asked](const Tensors& x) { return x[0].view(asked); }, reference});
    }
  }
  all.push_back({"view",
                 "split_strided",
                 {{{6, 4}, -2, 2, Layout::Strided}},
                 [](const Tensors& x) {
                   return x[0].view({2, 3, 4, 1});
                 },
                 [](const Arrays& x) {
                   return reshaped(x[0], {2, 3, 4, 1});
                 }});
  all.push_back({"flatten",
                 "all",
                 {{{2, 3, 4}}},
                 [](const Tensors& x) { return x[0].flatten(); },
                 [](const Arrays& x) { return reshaped(x[0], {24}); }});
  all.push_back({"flatten",
                 "last_transposed",
                 {{{2, 3, 4}, -2, 2, Layout::Transposed}},
                 [](const Tensors& x) { return x[0].flatten(1); },
                 [](const Arrays& x) {
                   return reshaped(x[0], {2, 12});
                 }});
  all.push_back({"flatten",
                 "first_empty",
                 {{{2, 0, 4}}},
                 [](const Tensors& x) { return x[0].flatten(0, -2); },
                 [](const Arrays& x) {
                   return reshaped(x[0], {0, 4});
                 }});
  all.push_back({"flatten",
                 "scalar",
                 {{{}}},
                 [](const Tensors& x) { return x[0].flatten(); },
                 [](const Arrays& x) { return reshaped(x[0], {1}); }});
}

void add_transpose(Samples& all) {
  for (const Layout layout : {Layout::Contiguous, Layout::Strided, Layout::Expanded}) {
    all.push_back({"transpose",
                   name(layout),
                   {{{2, 3, 4}, -2, 2, layout}},
                   [](const Tensors& x) { return transpose(x[0], 0, -1); },
                   [](const Arrays& x) { return transposed(x[0], 0, 2); }});
    all.push_back({"t",
                   name(layout),
                   {{{3, 4}, -2, 2, layout}},
                   [](const Tensors& x) { return x[0].t(); },
                   [](const Arrays& x) { return transposed(x[0], 0, 1); }});
  }
  all.push_back({"transpose", "scalar", {{{}}}, [](const Tensors& x) { return transpose(x[0], 0, -1); }, same});
  all.push_back({"transpose",
                 "empty",
                 {{{0, 3}}},
                 [](const Tensors& x) { return transpose(x[0], 0, 1); },
                 [](const Arrays& x) { return transposed(x[0], 0, 1); }});
  all.push_back({"t", "vector", {{{3}}}, [](const Tensors& x) { return x[0].t(); }, same});
}

void add_select(Samples& all) {
  all.push_back({"select",
                 "row",
                 {{{3, 4}}},
                 [](const Tensors& x) { return x[0][1]; },
                 [](const Arrays& x) { return selected(x[0], 0, 1); }});
  all.push_back({"select",
                 "last_column_transposed",
                 {{{3, 4}, -2, 2, Layout::Transposed}},
                 [](const Tensors& x) { return select(x[0], -1, -1); },
                 [](const Arrays& x) { return selected(x[0], 1, 3); }});
  all.push_back({"select",
                 "to_scalar",
                 {{{5}, -2, 2, Layout::Strided}},
                 [](const Tensors& x) { return select(x[0], 0, 2); },
                 [](const Arrays& x) { return selected(x[0], 0, 2); }});
  all.push_back({"select",
                 "empty",
                 {{{2, 0}}},
                 [](const Tensors& x) { return select(x[0], 0, 1); },
                 [](const Arrays& x) { return selected(x[0], 0, 1); }});
  all.push_back({"select_backward",
                 "row",
                 {{{4}}},
                 [](const Tensors& x) {
                   return select_backward(x[0], {3, 4}, 0, 1);
                 },
                 [](const Arrays& x) {
                   return unselected(x[0], {3, 4}, 0, 1);
                 }});
  all.push_back({"select_backward",
                 "column_strided",
                 {{{3}, -2, 2, Layout::Strided}},
                 [](const Tensors& x) {
                   return select_backward(x[0], {3, 4}, 1, -1);
                 },
                 [](const Arrays& x) {
                   return unselected(x[0], {3, 4}, 1, 3);
                 }});
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
    all.push_back({"expand",
                   c.label,
                   {{c.from, -2, 2, c.layout}},
                   [asked = c.asked](const Tensors& x) { return expand(x[0], asked); },
                   [to = c.to](const Arrays& x) { return expanded(x[0], to); }});
  }
}

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
                 [](const Arrays& x) {
                   return expanded(x[1], {3, 4});
                 },
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

Samples shape_samples() {
  Samples all;
  add_reshape(all);
  add_transpose(all);
  add_select(all);
  add_expand(all);
  add_copies(all);
  return all;
}

}  // namespace backflow::test
