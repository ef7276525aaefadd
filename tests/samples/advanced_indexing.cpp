#include <utility>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/indexing/tensor_index.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

using namespace backflow::indexing;

std::int64_t whole(const Array& x, const Index& at) { return static_cast<std::int64_t>(x.at(at)); }

/// Which element of x stands at a place of the result; x[1], ... are the index operands.
using Source = Index (*)(const Arrays&, const Index&);

struct Case {
  const char* label;
  Operand x;
  std::vector<Operand> indices;
  std::vector<TensorIndex> (*list)(const Tensors&);
  Index result;
  Source source;
  const char* python;
};

std::vector<Case> cases() {
  const Layout strided = Layout::Strided;
  const Layout transposed = Layout::Transposed;
  return {
      {"vector",
       numbers({5}),
       {indices({7}, 5)},
       [](const Tensors& x) { return std::vector<TensorIndex>{x[1]}; },
       {7},
       [](const Arrays& x, const Index& at) { return Index{whole(x[1], at)}; },
       "x[1]"},
      {"rows_of_any_shape",
       numbers({4, 3}),
       {indices({2, 3}, 4)},
       [](const Tensors& x) { return std::vector<TensorIndex>{x[1]}; },
       {2, 3, 3},
       [](const Arrays& x, const Index& at) {
         return Index{whole(x[1], {at[0], at[1]}), at[2]};
       },
       "x[1]"},
      {"columns_transposed",
       numbers({4, 3}, transposed),
       {indices({5}, 3, strided)},
       [](const Tensors& x) {
         return std::vector<TensorIndex>{Slice(), x[1]};
       },
       {4, 5},
       [](const Arrays& x, const Index& at) {
         return Index{at[0], whole(x[1], {at[1]})};
       },
       "slice(None), x[1]"},
      {"negative",
       numbers({4, 3}),
       {indices({5}, 3)},
       [](const Tensors& x) {
         return std::vector<TensorIndex>{"...", x[1] - 3};
       },
       {4, 5},
       [](const Arrays& x, const Index& at) {
         return Index{at[0], whole(x[1], {at[1]})};
       },
       "..., x[1] - 3"},
      {"two_broadcast",
       numbers({4, 3}),
       {indices({2, 1}, 4), indices({3}, 3)},
       [](const Tensors& x) {
         return std::vector<TensorIndex>{x[1], x[2]};
       },
       {2, 3},
       [](const Arrays& x, const Index& at) {
         return Index{whole(x[1], {at[0], 0}), whole(x[2], {at[1]})};
       },
       "x[1], x[2]"},
      {"adjacent_strided",
       numbers({2, 3, 4, 2}, strided),
       {indices({2, 3}, 3), indices({3}, 4)},
       [](const Tensors& x) {
         return std::vector<TensorIndex>{Slice(), x[1], x[2]};
       },
       {2, 2, 3, 2},
       [](const Arrays& x, const Index& at) {
         return Index{at[0], whole(x[1], {at[1], at[2]}), whole(x[2], {at[2]}), at[3]};
       },
       "slice(None), x[1], x[2]"},
      {"separated",
       numbers({2, 3, 4}),
       {indices({3}, 2), indices({3}, 4)},
       [](const Tensors& x) {
         return std::vector<TensorIndex>{x[1], Slice(), x[2]};
       },
       {3, 3},
       [](const Arrays& x, const Index& at) {
         return Index{whole(x[1], {at[0]}), at[1], whole(x[2], {at[0]})};
       },
       "x[1], slice(None), x[2]"},
      {"separated_last",
       numbers({2, 3, 2, 4}),
       {indices({3}, 3), indices({3}, 4)},
       [](const Tensors& x) {
         return std::vector<TensorIndex>{Slice(), x[1], Ellipsis, x[2]};
       },
       {3, 2, 2},
       [](const Arrays& x, const Index& at) {
         return Index{at[1], whole(x[1], {at[0]}), at[2], whole(x[2], {at[0]})};
       },
       "slice(None), x[1], ..., x[2]"},
      {"with_the_rest",
       numbers({3, 5, 4}),
       {indices({2}, 3)},
       [](const Tensors& x) {
         return std::vector<TensorIndex>{x[1], Slice(1, None, 2), None, 3};
       },
       {2, 2, 1},
       [](const Arrays& x, const Index& at) {
         return Index{whole(x[1], {at[0]}), 1 + 2 * at[1], 3};
       },
       "x[1], slice(1, None, 2), None, 3"},
      {"true",
       numbers({3}),
       {},
       [](const Tensors&) { return std::vector<TensorIndex>{true}; },
       {1, 3},
       [](const Arrays&, const Index& at) { return Index{at[1]}; },
       "True"},
      {"false",
       numbers({3}),
       {},
       [](const Tensors&) { return std::vector<TensorIndex>{false}; },
       {0, 3},
       [](const Arrays&, const Index& at) { return Index{at[1]}; },
       "False"},
      {"no_indices",
       numbers({4, 3}),
       {indices({0}, 1)},
       [](const Tensors& x) { return std::vector<TensorIndex>{x[1]}; },
       {0, 3},
       [](const Arrays&, const Index&) { return Index(); },
       "x[1]"},
      {"no_rows",
       numbers({4, 0}),
       {indices({2}, 4)},
       [](const Tensors& x) { return std::vector<TensorIndex>{x[1]}; },
       {2, 0},
       [](const Arrays&, const Index&) { return Index(); },
       "x[1]"},
      {"view",
       numbers({3, 5, 4}),
       {},
       [](const Tensors&) {
         return std::vector<TensorIndex>{"...", Slice(None, -1, 3), -2};
       },
       {3, 2},
       [](const Arrays&, const Index& at) {
         return Index{at[0], 3 * at[1], 2};
       },
       "..., slice(None, -1, 3), -2"},
      {"number",
       numbers({3, 4}),
       {indices({}, 3)},
       [](const Tensors& x) { return std::vector<TensorIndex>{x[1]}; },
       {4},
       [](const Arrays& x, const Index& at) {
         return Index{whole(x[1], {}), at[0]};
       },
       "x[1]"},
  };
}

Array chosen(const Case& c, const Arrays& x) {
  Array y = array_of(c.result);
  for_each_index(c.result, [&](const Index& at) { y.at(at) = x[0].at(c.source(x, at)); });
  return y;
}

void add_index(Samples& all) {
  for (const Case& c : cases()) {
    std::vector<Operand> operands = {c.x};
    operands.insert(operands.end(), c.indices.begin(), c.indices.end());
    all.push_back({.op = "index",
                   .label = c.label,
                   .operands = operands,
                   .call = [c](const Tensors& x) { return x[0].index(c.list(x)); },
                   .reference = [c](const Arrays& x) { return chosen(c, x); },
                   .torch = std::string("x[0][") + c.python + "]"});
  }
  const Operand chosen = mask({3, 4});
  const auto true_elements = [](const Array& x, const Array& is_chosen) {
    Array y = array_of(Index{0});
    for (std::size_t i = 0; i < x.data.size(); ++i) {
      if (is_chosen.data[i] != 0) {
        y.data.push_back(x.data[i]);
        ++y.sizes[0];
      }
    }
    return y;
  };
  all.push_back({.op = "index",
                 .label = "mask",
                 .operands = {numbers({3, 4}, Layout::Transposed), chosen},
                 .call = [](const Tensors& x) { return x[0].index({x[1]}); },
                 .reference = [=](const Arrays& x) { return true_elements(x[0], x[1]); },
                 .torch = "x[0][x[1]]"});
  all.push_back({.op = "index",
                 .label = "byte_mask_of_list",
                 .operands = {numbers({3, 4}), chosen},
                 .call = [](const Tensors& x) { return index(x[0], {x[1].to(kUInt8)}); },
                 .reference = [=](const Arrays& x) { return true_elements(x[0], x[1]); },
                 .torch = "x[0][x[1].byte()]"});
  all.push_back(
      {.op = "index",
       .label = "list_with_undefined",
       .operands = {numbers({4, 3}), indices({5}, 3)},
       .call =
           [](const Tensors& x) {
             return index(x[0], {Tensor(), x[1].to(kInt32)});
           },
       .reference =
           [](const Arrays& x) {
             Array y = array_of(Index{4, 5});
             for_each_index(y.sizes, [&](const Index& at) { y.at(at) = x[0].at({at[0], whole(x[1], {at[1]})}); });
             return y;
           },
       .torch = "x[0][:, x[1]]"});
}

void add_index_put(Samples& all) {
  struct Row {
    const char* label;
    Operand x;
    std::vector<Array> indices;
    Operand w;
    Index shape;  ///< of what is indexed
    Source source;
    const char* python;
  };
  const auto first = [](const Arrays& i, const Index& at) { return Index{whole(i[0], {at[0]}), at[1]}; };
  const auto both = [](const Arrays& i, const Index& at) { return Index{whole(i[0], {at[0]}), whole(i[1], {at[0]})}; };
  for (const Row& c : std::vector<Row>{
           {"rows", numbers({4, 3}), {{{2}, {3, 1}}}, numbers({2, 3}), {2, 3}, first, "(torch.tensor([3, 1]),)"},
           {"rows_broadcast",
            numbers({4, 3}, Layout::Strided),
            {{{2}, {0, 2}}},
            numbers({3}),
            {2, 3},
            first,
            "(torch.tensor([0, 2]),)"},
           {"both_transposed",
            numbers({4, 3}, Layout::Transposed),
            {{{3}, {3, 1, -4}}, {{3}, {0, 0, 2}}},
            numbers({3}),
            {3},
            both,
            "(torch.tensor([3, 1, -4]), torch.tensor([0, 0, 2]))"},
           {"number",
            numbers({4, 3}),
            {{{2}, {2, 1}}, {{2}, {0, 1}}},
            numbers({}),
            {2},
            both,
            "(torch.tensor([2, 1]), torch.tensor([0, 1]))"},
           {"no_indices", numbers({4, 3}), {{{0}, {}}}, numbers({3}), {0, 3}, first, "(torch.tensor([]).long(),)"}}) {
    std::vector<Tensor> lists;
    for (const Array& i : c.indices) {
      lists.push_back(tensor_of(i, kInt64));
    }
    for (const bool accumulate : {false, true}) {
      all.push_back(
          {.op = "index_put",
           .label = std::string(accumulate ? "added_" : "") + c.label,
           .operands = {c.x, c.w},
           .call = [=](const Tensors& x) { return x[0].index_put(lists, x[1], accumulate); },
           .reference =
               [=](const Arrays& x) {
                 Array y = x[0];
                 const Array w = map(array_of(c.shape), x[1], [](double, double v) { return v; });
                 for_each_index(c.shape, [&](const Index& at) {
                   Index to = c.source(c.indices, at);
                   to[0] += to[0] < 0 ? y.sizes[0] : 0;
                   y.at(to) = accumulate ? y.at(to) + w.at(at) : w.at(at);
                 });
                 return y;
               },
           .inplace = [=](const Tensors& x) { x[0].index_put_(TensorList(lists), x[1], accumulate); },
           .torch = std::string("x[0].index_put(") + c.python + ", x[1]" + (accumulate ? ", accumulate=True)" : ")")});
    }
  }
  all.push_back(
      {.op = "index_put",
       .label = "duplicates",
       .operands = {numbers({3, 2}), numbers({9, 2}), indices({9}, 3)},
       .call = [](const Tensors& x) { return x[0].index_put({x[2]}, x[1], true); },
       .reference =
           [](const Arrays& x) {
             Array y = x[0];
             for_each_index(x[1].sizes, [&](const Index& at) { y.at({whole(x[2], {at[0]}), at[1]}) += x[1].at(at); });
             return y;
           },
       .inplace = [](const Tensors& x) { x[0].index_put_(TensorList(x[2]), x[1], true); },
       .torch = "x[0].index_put((x[2],), x[1], accumulate=True)"});
}

}  // namespace

Samples advanced_indexing_samples() {
  Samples all;
  add_index(all);
  add_index_put(all);
  return all;
}

}  // namespace backflow::test
