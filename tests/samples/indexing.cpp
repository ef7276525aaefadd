#include <limits>
#include <optional>

#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

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

Array sliced(const Array& x, std::size_t dim, std::int64_t start, std::int64_t step, std::int64_t length) {
  Index sizes = x.sizes;
  sizes[dim] = length;
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& to) {
    Index from = to;
    from[dim] = start + to[dim] * step;
    y.at(to) = x.at(from);
  });
  return y;
}

Array unsliced(const Array& dy, const Index& sizes, std::size_t dim, std::int64_t start, std::int64_t step) {
  Array y = array_of(sizes);
  for_each_index(dy.sizes, [&](const Index& from) {
    Index to = from;
    to[dim] = start + from[dim] * step;
    y.at(to) = dy.at(from);
  });
  return y;
}

/// The index of the element that element `at` of a diagonal is: the last number goes into two dimensions.
Index on_diagonal(Index at, std::int64_t offset, std::size_t dim1, std::size_t dim2) {
  const std::int64_t i = at.back();
  at.pop_back();
  for (const std::size_t d : {std::min(dim1, dim2), std::max(dim1, dim2)}) {
    at.insert(at.begin() + static_cast<std::ptrdiff_t>(d),
              d == dim1 ? i - std::min<std::int64_t>(offset, 0) : i + std::max<std::int64_t>(offset, 0));
  }
  return at;
}

void add_select(Samples& all) {
  all.push_back({.op = "select",
                 .label = "row",
                 .operands = {{{3, 4}}},
                 .call = [](const Tensors& x) { return x[0][1]; },
                 .reference = [](const Arrays& x) { return selected(x[0], 0, 1); },
                 .torch = "x[0][1]"});
  all.push_back({.op = "select",
                 .label = "last_column_transposed",
                 .operands = {{{3, 4}, -2, 2, Layout::Transposed}},
                 .call = [](const Tensors& x) { return select(x[0], -1, -1); },
                 .reference = [](const Arrays& x) { return selected(x[0], 1, 3); },
                 .torch = "torch.select(x[0], -1, -1)"});
  all.push_back({.op = "select",
                 .label = "to_scalar",
                 .operands = {{{5}, -2, 2, Layout::Strided}},
                 .call = [](const Tensors& x) { return select(x[0], 0, 2); },
                 .reference = [](const Arrays& x) { return selected(x[0], 0, 2); },
                 .torch = "torch.select(x[0], 0, 2)"});
  all.push_back({.op = "select",
                 .label = "empty",
                 .operands = {{{2, 0}}},
                 .call = [](const Tensors& x) { return select(x[0], 0, 1); },
                 .reference = [](const Arrays& x) { return selected(x[0], 0, 1); },
                 .torch = "torch.select(x[0], 0, 1)"});
  all.push_back({.op = "select_backward",
                 .label = "row",
                 .operands = {{{4}}},
                 .call =
                     [](const Tensors& x) {
                       return select_backward(x[0], {3, 4}, 0, 1);
                     },
                 .reference =
                     [](const Arrays& x) {
                       return unselected(x[0], {3, 4}, 0, 1);
                     },
                 .torch = "torch.ops.aten.select_backward(x[0], [3, 4], 0, 1)"});
  all.push_back({.op = "select_backward",
                 .label = "column_strided",
                 .operands = {{{3}, -2, 2, Layout::Strided}},
                 .call =
                     [](const Tensors& x) {
                       return select_backward(x[0], {3, 4}, 1, -1);
                     },
                 .reference =
                     [](const Arrays& x) {
                       return unselected(x[0], {3, 4}, 1, 3);
                     },
                 .torch = "torch.ops.aten.select_backward(x[0], [3, 4], 1, -1)"});
}

void add_slice(Samples& all) {
  using Number = std::optional<std::int64_t>;
  struct Case {
    const char* label;
    Index sizes;
    std::int64_t dim;
    Number start;
    Number end;
    std::int64_t step;
    std::int64_t first;   ///< the index that `start` means
    std::int64_t length;  ///< of the result
    Layout layout = Layout::Contiguous;
  };
  const Number none;
  for (const Case& c : std::vector<Case>{{"rows", {5, 3}, 0, 1, 3, 1, 1, 2},
                                         {"all", {5, 3}, 0, none, none, 1, 0, 5},
                                         {"every_second", {5, 3}, 0, none, none, 2, 0, 3, Layout::Strided},
                                         {"every_third_transposed", {2, 8}, 1, 1, none, 3, 1, 3, Layout::Transposed},
                                         {"negative", {5, 3}, 0, -3, -1, 1, 2, 2},
                                         {"clamped", {2, 5}, 1, -9, 99, 1, 0, 5, Layout::Strided},
                                         {"long_step", {5}, 0, 3, none, 1000, 3, 1},
                                         {"crossed", {5, 3}, 0, 3, 1, 1, 0, 0},
                                         {"beyond", {5, 3}, 0, 7, 9, 1, 0, 0},
                                         {"empty", {0, 3}, 0, none, none, 1, 0, 0}}) {
    const auto d = static_cast<std::size_t>(c.dim);
    const std::vector<Operand> x = {{c.sizes, -2, 2, c.layout}};
    all.push_back({.op = "slice",
                   .label = c.label,
                   .operands = x,
                   .call = [c](const Tensors& t) { return t[0].slice(c.dim, c.start, c.end, c.step); },
                   .reference = [c, d](const Arrays& a) { return sliced(a[0], d, c.first, c.step, c.length); },
                   .torch = to_text("torch.ops.aten.slice(x[0], ", c.dim, ", ", python(c.start), ", ", python(c.end),
                                    ", ", c.step, ")")});
    Index sizes = c.sizes;
    sizes[d] = c.length;
    all.push_back(
        {.op = "slice_backward",
         .label = c.label,
         .operands = {{sizes, -2, 2, c.layout}},
         .call = [c](const Tensors& t) { return slice_backward(t[0], c.sizes, c.dim, c.start, c.end, c.step); },
         .reference = [c, d](const Arrays& a) { return unsliced(a[0], c.sizes, d, c.first, c.step); },
         .torch =
             to_text("torch.ops.aten.slice_backward(x[0], ", python(c.sizes), ", ", c.dim, ", ", c.start.value_or(0),
                     ", ", c.end.value_or(std::numeric_limits<std::int64_t>::max()), ", ", c.step, ")")});
  }
  all.push_back({.op = "slice",
                 .label = "last_dimension",
                 .operands = {{{2, 3, 4}}},
                 .call = [](const Tensors& t) { return t[0].slice(-1, 1); },
                 .reference = [](const Arrays& a) { return sliced(a[0], 2, 1, 1, 3); },
                 .torch = "torch.ops.aten.slice(x[0], -1, 1)"});
  for (const std::int64_t start : {1, -3}) {
    all.push_back({.op = "narrow",
                   .label = start < 0 ? "negative" : "columns",
                   .operands = {{{3, 4}, -2, 2, Layout::Transposed}},
                   .call = [start](const Tensors& t) { return t[0].narrow(1, start, 2); },
                   .reference = [](const Arrays& a) { return sliced(a[0], 1, 1, 1, 2); },
                   .torch = to_text("torch.narrow(x[0], 1, ", start, ", 2)")});
  }
  all.push_back({.op = "narrow",
                 .label = "empty",
                 .operands = {{{3, 4}}},
                 .call = [](const Tensors& t) { return t[0].narrow(0, 3, 0); },
                 .reference = [](const Arrays& a) { return sliced(a[0], 0, 3, 1, 0); },
                 .torch = "torch.narrow(x[0], 0, 3, 0)"});
}

void add_diagonal(Samples& all) {
  struct Case {
    const char* label;
    Index sizes;
    std::int64_t offset;
    std::int64_t dim1;
    std::int64_t dim2;
    Index result;
    Layout layout = Layout::Contiguous;
  };
  for (const Case& c : std::vector<Case>{{"square", {3, 3}, 0, 0, 1, {3}},
                                         {"wide_above", {3, 5}, 1, 0, 1, {3}, Layout::Transposed},
                                         {"tall_below", {5, 3}, -3, 0, 1, {2}, Layout::Strided},
                                         {"inner", {2, 3, 4}, 0, 1, 2, {2, 3}},
                                         {"outer", {2, 3, 4}, 1, 0, 2, {3, 2}, Layout::Strided},
                                         {"exchanged", {2, 3, 4}, 1, 2, 1, {2, 2}},
                                         {"outside", {3, 2}, 7, 0, 1, {0}},
                                         {"empty", {0, 3}, 0, 0, 1, {0}}}) {
    const auto a = static_cast<std::size_t>(c.dim1);
    const auto b = static_cast<std::size_t>(c.dim2);
    all.push_back(
        {.op = "diagonal",
         .label = c.label,
         .operands = {{c.sizes, -2, 2, c.layout}},
         .call = [c](const Tensors& t) { return t[0].diagonal(c.offset, c.dim1, c.dim2 - t[0].dim()); },
         .reference =
             [c, a, b](const Arrays& x) {
               Array y = array_of(c.result);
               for_each_index(c.result, [&](const Index& to) { y.at(to) = x[0].at(on_diagonal(to, c.offset, a, b)); });
               return y;
             },
         .torch = to_text("torch.diagonal(x[0], ", c.offset, ", ", c.dim1, ", ", c.dim2 - std::ssize(c.sizes), ")")});
    all.push_back({.op = "diagonal_backward",
                   .label = c.label,
                   .operands = {{c.result, -2, 2, c.layout}},
                   .call = [c](const Tensors& t) { return diagonal_backward(t[0], c.sizes, c.offset, c.dim1, c.dim2); },
                   .reference =
                       [c, a, b](const Arrays& dy) {
                         Array y = array_of(c.sizes);
                         for_each_index(c.result, [&](const Index& from) {
                           y.at(on_diagonal(from, c.offset, a, b)) = dy[0].at(from);
                         });
                         return y;
                       },
                   .torch = to_text("torch.ops.aten.diagonal_backward(x[0], ", python(c.sizes), ", ", c.offset, ", ",
                                    c.dim1, ", ", c.dim2, ")")});
  }
}

}  // namespace

Samples indexing_samples() {
  Samples all;
  add_select(all);
  add_slice(all);
  add_diagonal(all);
  return all;
}

}  // namespace backflow::test
