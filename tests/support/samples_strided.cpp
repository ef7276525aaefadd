#include <map>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

using Index = std::vector<std::int64_t>;
using Memory = std::map<std::int64_t, double>;

/// Calls f(index, place) for every element of a geometry.
void for_each_place(const Index& sizes, const Index& strides, std::int64_t offset,
                    const std::function<void(const Index&, std::int64_t)>& f) {
  for_each_index(sizes, [&](const Index& index) {
    std::int64_t place = offset;
    for (std::size_t d = 0; d < index.size(); ++d) {
      place += index[d] * strides[d];
    }
    f(index, place);
  });
}

/// The elements of x by place; the average where several share one.
Memory laid_out(const Array& x, const Index& strides) {
  Memory memory;
  Memory count;
  for_each_place(x.sizes, strides, 0, [&](const Index& index, std::int64_t place) {
    memory[place] += x.at(index);
    ++count[place];
  });
  for (auto& [place, value] : memory) {
    value /= count[place];
  }
  return memory;
}

Array shown(const Memory& memory, const Index& sizes, const Index& strides, std::int64_t offset) {
  Array y = array_of(sizes);
  for_each_place(sizes, strides, offset, [&](const Index& index, std::int64_t place) {
    y.at(index) = memory.contains(place) ? memory.at(place) : 0;
  });
  return y;
}

/// A tensor in memory and a view of it; the view's offset counts from the tensor's first element.
struct Case {
  const char* label;
  Index x_sizes;
  Index x_strides;
  Index sizes;
  Index strides;
  std::int64_t offset;
  Layout layout = Layout::Contiguous;  ///< of the operands
  bool overlaps = false;
};

std::vector<Case> cases() {
  return {{"row", {3, 4}, {4, 1}, {4}, {1}, 4},
          {"column", {3, 4}, {4, 1}, {3}, {4}, 2, Layout::Strided},
          {"diagonal", {3, 3}, {3, 1}, {3}, {4}, 0, Layout::Transposed},
          {"scalar", {2, 3}, {3, 1}, {}, {}, 5},
          {"of_scalar", {}, {}, {1}, {1}, 0},
          {"of_transposed", {3, 4}, {1, 3}, {2, 3}, {3, 1}, 3, Layout::Transposed},
          {"of_strided", {2, 3}, {8, 2}, {2, 2}, {8, 4}, 0, Layout::Strided},
          {"between", {2, 3}, {6, 2}, {2, 5}, {6, 1}, 0},
          {"outside", {4}, {1}, {8}, {1}, -2},
          {"odd_strides", {3, 3}, {3, 1}, {3, 2}, {2, 3}, 1},
          {"empty", {2, 3}, {3, 1}, {0, 3}, {3, 1}, 0},
          {"of_empty", {0, 3}, {3, 1}, {0}, {1}, 0},
          {"repeated", {5}, {1}, {3, 4}, {0, 1}, 1, Layout::Strided, true},
          {"window", {6}, {1}, {4, 3}, {1, 1}, 0, Layout::Contiguous, true},
          {"of_expanded", {3, 4}, {0, 1}, {2, 3}, {1, 1}, 0, Layout::Transposed, true}};
}

void add_case(Samples& all, const Case& c) {
  const std::vector<Operand> x = {{c.x_sizes, -2, 2, c.layout}};
  const std::vector<Operand> w = {{c.sizes, -2, 2, c.layout}};
  all.push_back({"strided_gather", c.label, x,
                 [c](const Tensors& t) { return strided_gather(t[0], c.x_strides, c.sizes, c.strides, c.offset); },
                 [c](const Arrays& a) { return shown(laid_out(a[0], c.x_strides), c.sizes, c.strides, c.offset); }});
  all.push_back(
      {"as_strided_backward", c.label, w,
       [c](const Tensors& t) { return as_strided_backward(t[0], c.x_sizes, c.x_strides, c.strides, c.offset); },
       [c](const Arrays& a) {
         Memory memory;
         for_each_place(c.sizes, c.strides, c.offset,
                        [&](const Index& index, std::int64_t place) { memory[place] += a[0].at(index); });
         Memory count;
         for_each_place(c.x_sizes, c.x_strides, 0, [&](const Index&, std::int64_t place) { ++count[place]; });
         for (auto& [place, value] : memory) {
           value /= count.contains(place) ? count[place] : 1;
         }
         return shown(memory, c.x_sizes, c.x_strides, 0);
       }});
  if (!c.overlaps) {
    all.push_back({"strided_scatter",
                   c.label,
                   {x[0], w[0]},
                   [c](const Tensors& t) { return strided_scatter(t[0], t[1], c.x_strides, c.strides, c.offset); },
                   [c](const Arrays& a) {
                     Memory memory = laid_out(a[0], c.x_strides);
                     for_each_place(c.sizes, c.strides, c.offset,
                                    [&](const Index& index, std::int64_t place) { memory[place] = a[1].at(index); });
                     return shown(memory, c.x_sizes, c.x_strides, 0);
                   }});
  }
}

void add_as_strided(Samples& all) {
  const auto view = [&all](const char* label, const Index& x_sizes, const std::function<Tensor(const Tensor&)>& call,
                           const Index& sizes, const Index& strides, std::int64_t offset) {
    all.push_back({"as_strided",
                   label,
                   {{x_sizes}},
                   [call](const Tensors& x) { return call(x[0]); },
                   [=](const Arrays& x) {
                     Memory memory;
                     for (std::size_t i = 0; i < x[0].data.size(); ++i) {
                       memory[static_cast<std::int64_t>(i)] = x[0].data[i];
                     }
                     return shown(memory, sizes, strides, offset);
                   }});
  };
  view(
      "row", {3, 4}, [](const Tensor& x) { return x.as_strided(4, 1, 4); }, {4}, {1}, 4);
  view(
      "window", {6},
      [](const Tensor& x) {
        return x.as_strided({4, 3}, {1, 1});
      },
      {4, 3}, {1, 1}, 0);
  view(
      "repeated", {5},
      [](const Tensor& x) {
        return x.as_strided({3, 2}, {0, 2}, 1);
      },
      {3, 2}, {0, 2}, 1);
  view(
      "scalar", {2, 3}, [](const Tensor& x) { return x.as_strided({}, {}, 5); }, {}, {}, 5);
  view(
      "empty", {2, 3},
      [](const Tensor& x) {
        return x.as_strided({0, 9}, {9, 1});
      },
      {0, 9}, {9, 1}, 0);
  view(
      "of_transposed", {3, 4},
      [](const Tensor& x) {
        return x.t().as_strided({2, 3}, {1, 4}, 1);
      },
      {2, 3}, {1, 4}, 1);
  view(
      "of_row", {3, 4},
      [](const Tensor& x) {
        return x[1].as_strided({2, 2}, {2, 1});
      },
      {2, 2}, {2, 1}, 4);
  view(
      "of_expanded", {4},
      [](const Tensor& x) {
        return x.expand({3, 4}).as_strided({2, 3}, {1, 1});
      },
      {2, 3}, {1, 1}, 0);
}

}  // namespace

Samples strided_samples() {
  Samples all;
  for (const Case& c : cases()) {
    add_case(all, c);
  }
  add_as_strided(all);
  return all;
}

}  // namespace backflow::test
