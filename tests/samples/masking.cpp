#include <algorithm>
#include <utility>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

Array broadcast(const Array& x, const Array& w) {
  return map(x, w, [](double v, double) { return v; });
}

/// The elements of x where the mask is true, both broadcast.
Array selected(const Array& x, const Array& mask) {
  const Array values = broadcast(x, mask);
  const Array chosen = broadcast(mask, x);
  Array y = array_of(Index{0});
  for (std::size_t i = 0; i < values.data.size(); ++i) {
    if (chosen.data[i] != 0) {
      y.data.push_back(values.data[i]);
    }
  }
  y.sizes[0] = static_cast<std::int64_t>(y.data.size());
  return y;
}

Array filled(const Array& x, const Array& mask, double value) {
  return map(x, mask, [&](double v, double m) { return m != 0 ? value : v; });
}

Array replaced(const Array& x, const Array& mask, const Array& w) {
  Array y = broadcast(x, mask);
  const Array chosen = broadcast(mask, x);
  std::size_t next = 0;
  for (std::size_t i = 0; i < y.data.size(); ++i) {
    if (chosen.data[i] != 0) {
      y.data[i] = w.data[next++];
    }
  }
  return y;
}

struct Case {
  const char* label;
  Operand x;
  Operand mask;
  bool inplace = true;  ///< whether the result has the shape of x
};

std::vector<Case> cases() {
  return {{"matrix", numbers({3, 4}), mask({3, 4})},
          {"row", numbers({3, 4}), mask({4})},
          {"column", numbers({3, 4}), mask({3, 1})},
          {"grown", numbers({4}), mask({3, 1}), false},
          {"transposed", numbers({3, 4}, Layout::Transposed), mask({3, 4}, Layout::Strided)},
          {"strided", numbers({3, 4}, Layout::Strided), mask({3, 4}, Layout::Transposed)},
          {"expanded", numbers({3, 4}, Layout::Expanded), mask({3, 4}, Layout::Expanded), false},
          {"empty", numbers({0, 4}), mask({0, 4})},
          {"scalar", numbers({}), mask({})}};
}

void add_fill_and_select(Samples& all) {
  for (const Case& c : cases()) {
    Sample number = {.op = "masked_fill",
                     .label = std::string("number_") + c.label,
                     .operands = {c.x, c.mask},
                     .call = [](const Tensors& x) { return x[0].masked_fill(x[1], 1.5); },
                     .reference = [](const Arrays& x) { return filled(x[0], x[1], 1.5); },
                     .inplace = [](const Tensors& x) { x[0].masked_fill_(x[1], 1.5); },
                     .torch = "torch.masked_fill(x[0], x[1], 1.5)"};
    Sample tensor = {.op = "masked_fill",
                     .label = c.label,
                     .operands = {c.x, c.mask, numbers({})},
                     .call = [](const Tensors& x) { return x[0].masked_fill(x[1], x[2]); },
                     .reference = [](const Arrays& x) { return filled(x[0], x[1], x[2].data[0]); },
                     .inplace = [](const Tensors& x) { x[0].masked_fill_(x[1], x[2]); },
                     .torch = "torch.masked_fill(x[0], x[1], x[2])"};
    Sample scatter = {.op = "masked_scatter",
                      .label = c.label,
                      .operands = {c.x, c.mask, numbers({3, 5})},
                      .call = [](const Tensors& x) { return x[0].masked_scatter(x[1], x[2]); },
                      .reference = [](const Arrays& x) { return replaced(x[0], x[1], x[2]); },
                      .inplace = [](const Tensors& x) { x[0].masked_scatter_(x[1], x[2]); },
                      .torch = "torch.masked_scatter(x[0], x[1], x[2])"};
    for (Sample* s : {&number, &tensor, &scatter}) {
      if (!c.inplace) {
        s->inplace = {};
      }
      all.push_back(*s);
    }
    all.push_back({.op = "masked_select",
                   .label = c.label,
                   .operands = {c.x, c.mask},
                   .call = [](const Tensors& x) { return x[0].masked_select(x[1]); },
                   .reference = [](const Arrays& x) { return selected(x[0], x[1]); },
                   .torch = "torch.masked_select(x[0], x[1])"});
  }
  all.push_back({.op = "masked_scatter",
                 .label = "strided_source",
                 .operands = {numbers({3, 4}), mask({3, 4}), numbers({4, 3}, Layout::Strided)},
                 .call = [](const Tensors& x) { return x[0].masked_scatter(x[1], x[2]); },
                 .reference = [](const Arrays& x) { return replaced(x[0], x[1], x[2]); },
                 .inplace = [](const Tensors& x) { x[0].masked_scatter_(x[1], x[2]); },
                 .torch = "torch.masked_scatter(x[0], x[1], x[2])"});
}

void add_nonzero(Samples& all) {
  for (const Case& c : std::vector<Case>{{"matrix", numbers({3, 4}), mask({3, 4})},
                                         {"vector", numbers({7}), mask({7})},
                                         {"strided", numbers({2, 3, 4}, Layout::Strided), mask({2, 3, 4})},
                                         {"transposed", numbers({3, 4}, Layout::Transposed), mask({3, 4})},
                                         {"empty", numbers({0, 3}), mask({0, 3})}}) {
    all.push_back({.op = "nonzero",
                   .label = c.label,
                   .operands = {c.x, c.mask},
                   .call = [](const Tensors& x) { return x[0].masked_fill(x[1], 0).nonzero(); },
                   .reference =
                       [](const Arrays& x) {
                         const Array values = filled(x[0], x[1], 0);
                         Array y = array_of({0, static_cast<std::int64_t>(values.sizes.size())});
                         for_each_index(values.sizes, [&](const Index& at) {
                           if (values.at(at) != 0) {
                             ++y.sizes[0];
                             y.data.insert(y.data.end(), at.begin(), at.end());
                           }
                         });
                         return y;
                       },
                   .differentiable = false,
                   .torch = "torch.nonzero(x[0].masked_fill(x[1], 0))"});
  }
}

void add_one_hot(Samples& all) {
  const auto hot = [](const Array& x, std::int64_t classes) {
    Index sizes = x.sizes;
    sizes.push_back(classes);
    Array y = array_of(sizes);
    for_each_index(x.sizes, [&](const Index& at) {
      Index to = at;
      to.push_back(static_cast<std::int64_t>(x.at(at)));
      y.at(to) = 1;
    });
    return y;
  };
  for (const auto& [label, operand] :
       std::vector<std::pair<const char*, Operand>>{{"vector", indices({5}, 4)},
                                                    {"matrix_transposed", indices({2, 3}, 4, Layout::Transposed)},
                                                    {"empty", indices({0}, 4)},
                                                    {"scalar", indices({}, 4)}}) {
    all.push_back({.op = "one_hot",
                   .label = label,
                   .operands = {operand},
                   .call = [](const Tensors& x) { return one_hot(x[0], 6); },
                   .reference = [hot](const Arrays& x) { return hot(x[0], 6); },
                   .differentiable = false,
                   .torch = "torch.nn.functional.one_hot(x[0], 6)"});
  }
  all.push_back({.op = "one_hot",
                 .label = "counted",
                 .operands = {indices({9}, 4)},
                 .call = [](const Tensors& x) { return one_hot(x[0]); },
                 .reference =
                     [hot](const Arrays& x) {
                       double largest = 0;
                       for (const double v : x[0].data) {
                         largest = std::max(largest, v);
                       }
                       return hot(x[0], static_cast<std::int64_t>(largest) + 1);
                     },
                 .differentiable = false,
                 .torch = "torch.nn.functional.one_hot(x[0])"});
}

}  // namespace

Samples masking_samples() {
  Samples all;
  add_fill_and_select(all);
  add_nonzero(all);
  add_one_hot(all);
  return all;
}

}  // namespace backflow::test
