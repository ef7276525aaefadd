#include <algorithm>
#include <map>

#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

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

/// The numbers of the elements of a memory that a geometry shows, in `Sample::torch`.
std::string places(const Index& sizes, const Index& strides, std::int64_t offset) {
  return to_text("torch.arange(64).as_strided(", python(sizes), ", ", python(strides), ", ", 8 + offset, ")");
}

/// `x` added to zeros in memory at these places.
std::string added(const std::string& x, const std::string& at) {
  return to_text("x[0].new_zeros(64).index_put((", at, ",), ", x, ", accumulate=True)");
}

void add_case(Samples& all, const Case& c) {
  const std::string at_x = places(c.x_sizes, c.x_strides, 0);
  const std::string at_w = places(c.sizes, c.strides, c.offset);
  // Elements of x that share memory share what is there.
  const bool shares = std::find(c.x_strides.begin(), c.x_strides.end(), 0) != c.x_strides.end();
  const std::string ones = to_text("torch.ones(", python(c.x_sizes), ", dtype=x[0].dtype)");
  const std::string parts = shares ? to_text(" / ", added(ones, at_x), ".clamp(min=1)).to(x[0].dtype)") : ")";
  const std::vector<Operand> x = {{c.x_sizes, -2, 2, c.layout}};
  const std::vector<Operand> w = {{c.sizes, -2, 2, c.layout}};
  all.push_back(
      {.op = "strided_gather",
       .label = c.label,
       .operands = x,
       .call = [c](const Tensors& t) { return strided_gather(t[0], c.x_strides, c.sizes, c.strides, c.offset); },
       .reference = [c](const Arrays& a) { return shown(laid_out(a[0], c.x_strides), c.sizes, c.strides, c.offset); },
       .torch = to_text("(", added("x[0]", at_x), parts, "[", at_w, "]")});
  all.push_back(
      {.op = "as_strided_backward",
       .label = c.label,
       .operands = w,
       .call = [c](const Tensors& t) { return as_strided_backward(t[0], c.x_sizes, c.x_strides, c.strides, c.offset); },
       .reference =
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
           },
       .torch = to_text("(", added("x[0]", at_w), parts, "[", at_x, "]")});
  if (!c.overlaps) {
    all.push_back(
        {.op = "strided_scatter",
         .label = c.label,
         .operands = {x[0], w[0]},
         .call = [c](const Tensors& t) { return strided_scatter(t[0], t[1], c.x_strides, c.strides, c.offset); },
         .reference =
             [c](const Arrays& a) {
               Memory memory = laid_out(a[0], c.x_strides);
               for_each_place(c.sizes, c.strides, c.offset,
                              [&](const Index& index, std::int64_t place) { memory[place] = a[1].at(index); });
               return shown(memory, c.x_sizes, c.x_strides, 0);
             },
         .torch = to_text(added("x[0]", at_x), ".index_put((", at_w, ",), x[1])[", at_x, "]")});
  }
}

void add_as_strided(Samples& all) {
  const auto view = [&all](const char* label, const Index& x_sizes, const std::function<Tensor(const Tensor&)>& call,
                           const Index& sizes, const Index& strides, std::int64_t offset, const char* torch) {
    all.push_back({.op = "as_strided",
                   .label = label,
                   .operands = {{x_sizes}},
                   .call = [call](const Tensors& x) { return call(x[0]); },
                   .reference =
                       [=](const Arrays& x) {
                         Memory memory;
                         for (std::size_t i = 0; i < x[0].data.size(); ++i) {
                           memory[static_cast<std::int64_t>(i)] = x[0].data[i];
                         }
                         return shown(memory, sizes, strides, offset);
                       },
                   .torch = to_text("x[0]", torch)});
  };
  view(
      "row", {3, 4}, [](const Tensor& x) { return x.as_strided(4, 1, 4); }, {4}, {1}, 4, ".as_strided([4], [1], 4)");
  view(
      "window", {6},
      [](const Tensor& x) {
        return x.as_strided({4, 3}, {1, 1});
      },
      {4, 3}, {1, 1}, 0, ".as_strided([4, 3], [1, 1])");
  view(
      "repeated", {5},
      [](const Tensor& x) {
        return x.as_strided({3, 2}, {0, 2}, 1);
      },
      {3, 2}, {0, 2}, 1, ".as_strided([3, 2], [0, 2], 1)");
  view(
      "scalar", {2, 3}, [](const Tensor& x) { return x.as_strided({}, {}, 5); }, {}, {}, 5, ".as_strided([], [], 5)");
  view(
      "empty", {2, 3},
      [](const Tensor& x) {
        return x.as_strided({0, 9}, {9, 1});
      },
      {0, 9}, {9, 1}, 0, ".as_strided([0, 9], [9, 1])");
  view(
      "of_transposed", {3, 4},
      [](const Tensor& x) {
        return x.t().as_strided({2, 3}, {1, 4}, 1);
      },
      {2, 3}, {1, 4}, 1, ".t().as_strided([2, 3], [1, 4], 1)");
  view(
      "of_row", {3, 4},
      [](const Tensor& x) {
        return x[1].as_strided({2, 2}, {2, 1});
      },
      {2, 2}, {2, 1}, 4, "[1].as_strided([2, 2], [2, 1])");
  view(
      "of_expanded", {4},
      [](const Tensor& x) {
        return x.expand({3, 4}).as_strided({2, 3}, {1, 1});
      },
      {2, 3}, {1, 1}, 0, ".expand(3, 4).as_strided([2, 3], [1, 1])");
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
