#include <algorithm>
#include <functional>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

/// y[at] = x[from(at)]
Array picked(const Array& x, const Index& sizes, const std::function<Index(const Index&)>& from) {
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& at) { y.at(at) = x.at(from(at)); });
  return y;
}

void add_flip(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    Index dims;
    Index flipped;  ///< one flag per dimension
    const char* python;
  };
  for (const Case& c :
       std::vector<Case>{{"vector", numbers({5}), {0}, {1}, "[0]"},
                         {"rows", numbers({3, 4}), {0}, {1, 0}, "[0]"},
                         {"columns", numbers({3, 4}), {-1}, {0, 1}, "[-1]"},
                         {"both_transposed", numbers({3, 4}, Layout::Transposed), {1, 0}, {1, 1}, "[1, 0]"},
                         {"outer_strided", numbers({2, 3, 4}, Layout::Strided), {0, 2}, {1, 0, 1}, "[0, 2]"},
                         {"expanded", numbers({3, 4}, Layout::Expanded), {1}, {0, 1}, "[1]"},
                         {"none", numbers({3, 4}), {}, {0, 0}, "[]"},
                         {"empty", numbers({0, 3}), {0}, {1, 0}, "[0]"},
                         {"scalar", numbers({}), {0}, {}, "[0]"}}) {
    all.push_back({.op = "flip",
                   .label = c.label,
                   .operands = {c.x},
                   .call = [dims = c.dims](const Tensors& x) { return x[0].flip(dims); },
                   .reference =
                       [flipped = c.flipped](const Arrays& x) {
                         return picked(x[0], x[0].sizes, [&](Index at) {
                           for (std::size_t d = 0; d < at.size(); ++d) {
                             at[d] = flipped[d] != 0 ? x[0].sizes[d] - 1 - at[d] : at[d];
                           }
                           return at;
                         });
                       },
                   .torch = std::string("torch.flip(x[0], ") + c.python + ")"});
  }
}

void add_roll(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    Index shifts;
    Index dims;
    Index moved;  ///< by how much, one per dimension
    const char* python;
  };
  for (const Case& c : std::vector<Case>{
           {"vector", numbers({5}), {2}, {0}, {2}, "(2,), (0,)"},
           {"backward", numbers({3, 4}), {-1}, {1}, {0, -1}, "(-1,), (1,)"},
           {"far", numbers({3, 4}), {7}, {-2}, {7, 0}, "(7,), (-2,)"},
           {"both_transposed", numbers({3, 4}, Layout::Transposed), {1, -2}, {0, 1}, {1, -2}, "(1, -2), (0, 1)"},
           {"twice_strided", numbers({3, 4}, Layout::Strided), {1, 1}, {1, 1}, {0, 2}, "(1, 1), (1, 1)"},
           {"empty", numbers({0, 3}), {1}, {0}, {1, 0}, "(1,), (0,)"}}) {
    all.push_back({.op = "roll",
                   .label = c.label,
                   .operands = {c.x},
                   .call = [c](const Tensors& x) { return x[0].roll(c.shifts, c.dims); },
                   .reference =
                       [moved = c.moved](const Arrays& x) {
                         return picked(x[0], x[0].sizes, [&](Index at) {
                           for (std::size_t d = 0; d < at.size(); ++d) {
                             at[d] = (((at[d] - moved[d]) % x[0].sizes[d]) + x[0].sizes[d]) % x[0].sizes[d];
                           }
                           return at;
                         });
                       },
                   .torch = std::string("torch.roll(x[0], ") + c.python + ")"});
  }
  for (const Index& sizes : {Index{3, 4}, Index{}}) {
    all.push_back({.op = "roll",
                   .label = sizes.empty() ? "scalar" : "flat",
                   .operands = {{sizes, -2, 2, sizes.empty() ? Layout::Contiguous : Layout::Transposed}},
                   .call = [](const Tensors& x) { return x[0].roll(5); },
                   .reference =
                       [](const Arrays& x) {
                         Array y = x[0];
                         std::rotate(y.data.rbegin(), y.data.rbegin() + 5 % static_cast<int>(y.data.size()),
                                     y.data.rend());
                         return y;
                       },
                   .torch = "torch.roll(x[0], 5)"});
  }
}

void add_repeat(Samples& all) {
  struct Case {
    const char* op;
    const char* label;
    Operand x;
    Index repeats;
    const char* python;
  };
  for (const Case& c :
       std::vector<Case>{{"repeat", "vector", numbers({3}), {4}, "4"},
                         {"repeat", "rows", numbers({2, 3}), {3, 1}, "3, 1"},
                         {"repeat", "columns", numbers({2, 3}), {1, 2}, "1, 2"},
                         {"repeat", "both_transposed", numbers({2, 3}, Layout::Transposed), {2, 3}, "2, 3"},
                         {"repeat", "new_dimension_strided", numbers({2, 3}, Layout::Strided), {2, 1, 2}, "2, 1, 2"},
                         {"repeat", "expanded", numbers({3, 2}, Layout::Expanded), {1, 2}, "1, 2"},
                         {"repeat", "never", numbers({2, 3}), {0, 2}, "0, 2"},
                         {"repeat", "empty", numbers({0, 3}), {2, 2}, "2, 2"},
                         {"repeat", "scalar", numbers({}), {2, 2}, "2, 2"},
                         {"tile", "fewer", numbers({2, 3}), {2}, "(2,)"},
                         {"tile", "more_strided", numbers({3}, Layout::Strided), {2, 2}, "(2, 2)"}}) {
    all.push_back({.op = c.op,
                   .label = c.label,
                   .operands = {c.x},
                   .call = [tiles = c.op == std::string("tile"), repeats = c.repeats](
                               const Tensors& x) { return tiles ? x[0].tile(repeats) : x[0].repeat(repeats); },
                   .reference =
                       [repeats = c.repeats](const Arrays& x) {
                         Index sizes = x[0].sizes;
                         Index times = repeats;
                         sizes.insert(sizes.begin(), std::max(times.size(), sizes.size()) - sizes.size(), 1);
                         times.insert(times.begin(), sizes.size() - times.size(), 1);
                         const std::size_t added = sizes.size() - x[0].sizes.size();
                         std::transform(sizes.begin(), sizes.end(), times.begin(), sizes.begin(), std::multiplies<>());
                         return picked(x[0], sizes, [&](const Index& at) {
                           Index from(at.begin() + static_cast<std::ptrdiff_t>(added), at.end());
                           for (std::size_t d = 0; d < from.size(); ++d) {
                             from[d] %= x[0].sizes[d];
                           }
                           return from;
                         });
                       },
                   .torch = c.op == std::string("tile") ? std::string("torch.tile(x[0], ") + c.python + ")"
                                                        : std::string("x[0].repeat(") + c.python + ")"});
  }
}

void add_triangles(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    std::int64_t diagonal;
  };
  for (const Case& c : std::vector<Case>{{"square", numbers({4, 4}), 0},
                                         {"above_wide", numbers({3, 5}), 1},
                                         {"below_tall_transposed", numbers({5, 3}, Layout::Transposed), -1},
                                         {"batch_strided", numbers({2, 3, 4}, Layout::Strided), 0},
                                         {"all", numbers({2, 3}), 7},
                                         {"nothing", numbers({2, 3}), -7},
                                         {"empty", numbers({0, 3}), 0}}) {
    for (const bool lower : {true, false}) {
      all.push_back(
          {.op = lower ? "tril" : "triu",
           .label = c.label,
           .operands = {c.x},
           .call = [lower, n = c.diagonal](const Tensors& x) { return lower ? x[0].tril(n) : x[0].triu(n); },
           .reference =
               [lower, n = c.diagonal](const Arrays& x) {
                 Array y = x[0];
                 for_each_index(y.sizes, [&](const Index& at) {
                   const std::int64_t above = at.back() - at[at.size() - 2];
                   y.at(at) = (lower ? above <= n : above >= n) ? y.at(at) : 0;
                 });
                 return y;
               },
           .inplace = [lower, n = c.diagonal](const Tensors& x) { lower ? x[0].tril_(n) : x[0].triu_(n); },
           .torch = std::string(lower ? "torch.tril" : "torch.triu") + "(x[0], " + std::to_string(c.diagonal) + ")"});
    }
  }
}

}  // namespace

Samples arranging_samples() {
  Samples all;
  add_flip(all);
  add_roll(all);
  add_repeat(all);
  add_triangles(all);
  return all;
}

}  // namespace backflow::test
