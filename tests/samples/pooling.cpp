// Max and average pooling.
#include <algorithm>
#include <array>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

/// A pooling of the last `dims` dimensions; lists have one number for each of them.
struct Pool {
  std::string label;
  std::size_t dims;
  Operand x;
  Index kernel;
  Index stride;
  Index padding;
  Index dilation;
  bool ceil_mode = false;
  Index outputs = {};  ///< of an adaptive one
};

/// Elements of the window of one output, along one dimension, and how many an average counts with its padding.
struct Span {
  Index elements;
  std::int64_t with_padding = 0;
};

/// The window number o, or nothing where it starts beyond the input and the padding before it.
Span span_of(const Pool& p, std::size_t d, std::int64_t size, std::int64_t o) {
  Span span;
  if (!p.outputs.empty()) {
    for (std::int64_t i = 0; i < size; ++i) {
      if ((i + 1) * p.outputs[d] > o * size && i * p.outputs[d] < (o + 1) * size) {
        span.elements.push_back(i);
      }
    }
    return span;
  }
  for (std::int64_t k = 0; k < p.kernel[d]; ++k) {
    const std::int64_t i = o * p.stride[d] - p.padding[d] + k * p.dilation[d];
    if (i >= 0 && i < size) {
      span.elements.push_back(i);
    }
    span.with_padding += i < size + p.padding[d] ? 1 : 0;
  }
  return span;
}

std::int64_t count_outputs(const Pool& p, std::size_t d, std::int64_t size) {
  if (!p.outputs.empty()) {
    return p.outputs[d];
  }
  std::int64_t n = 0;
  while (n * p.stride[d] + (p.kernel[d] - 1) * p.dilation[d] < size + 2 * p.padding[d]) {
    ++n;
  }
  const bool rest = (n - 1) * p.stride[d] + (p.kernel[d] - 1) * p.dilation[d] + 1 < size + 2 * p.padding[d];
  return n + (p.ceil_mode && (n == 0 || rest) && n * p.stride[d] < size + p.padding[d] ? 1 : 0);
}

/// One window: its elements, where in the plane these are, and how many elements it has with its padding.
struct Window {
  Line values;
  Line places;
  double with_padding = 1;
};

/// f of all windows.
Array pooled(const Array& x, const Pool& p, const std::function<double(const Window&)>& f) {
  const std::size_t lead = x.sizes.size() - p.dims;
  Index sizes = x.sizes;
  for (std::size_t d = 0; d < p.dims; ++d) {
    sizes[lead + d] = count_outputs(p, d, x.sizes[lead + d]);
  }
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& at) {
    std::vector<Index> elements = {Index(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(lead))};
    Window window;
    for (std::size_t d = 0; d < p.dims; ++d) {
      const Span span = span_of(p, d, x.sizes[lead + d], at[lead + d]);
      window.with_padding *= static_cast<double>(span.with_padding);
      std::vector<Index> longer;
      for (const Index& e : elements) {
        for (const std::int64_t i : span.elements) {
          longer.push_back(e);
          longer.back().push_back(i);
        }
      }
      elements = longer;
    }
    for (const Index& e : elements) {
      std::int64_t place = 0;
      for (std::size_t d = lead; d < e.size(); ++d) {
        place = place * x.sizes[d] + e[d];
      }
      window.places.push_back(static_cast<double>(place));
      window.values.push_back(x.at(e));
    }
    y.at(at) = f(window);
  });
  return y;
}

double largest(const Window& w) { return *std::max_element(w.values.begin(), w.values.end()); }
double place_of_largest(const Window& w) {
  return w.places[static_cast<std::size_t>(std::max_element(w.values.begin(), w.values.end()) - w.values.begin())];
}
/// The sum over the divisor, which is that of the elements unless another is given.
std::function<double(const Window&)> average(bool count_include_pad, std::optional<std::int64_t> divisor) {
  return [=](const Window& w) {
    double sum = 0;
    for (const double v : w.values) {
      sum += v;
    }
    const double count = count_include_pad ? w.with_padding : static_cast<double>(w.values.size());
    return w.values.empty() ? 0 : sum / (divisor ? static_cast<double>(*divisor) : count);
  };
}

template <class T>
using By = std::array<T, 3>;

std::string lists(const Pool& p) {
  return "(x[0], " + python(p.kernel) + ", " + python(p.stride) + ", " + python(p.padding) + ", ";
}

void add_max(Samples& all, const Pool& p) {
  using Function = Tensor (*)(const Tensor&, IntArrayRef, IntArrayRef, IntArrayRef, IntArrayRef, bool);
  using WithIndices =
      std::tuple<Tensor, Tensor> (*)(const Tensor&, IntArrayRef, IntArrayRef, IntArrayRef, IntArrayRef, bool);
  const Function f = By<Function>{max_pool1d, max_pool2d, max_pool3d}[p.dims - 1];
  const WithIndices g =
      By<WithIndices>{max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices}[p.dims - 1];
  const std::string name = "max_pool" + std::to_string(p.dims) + "d";
  const std::string torch = "torch.nn.functional." + name + lists(p) + python(p.dilation) + ", " + python(p.ceil_mode);
  all.push_back(with_gradient(
      name, p.label, {p.x},
      [=](const Tensors& x) { return f(x[0], p.kernel, p.stride, p.padding, p.dilation, p.ceil_mode); },
      [=](const Arrays& x) { return pooled(x[0], p, largest); }, torch + ")"));
  all.push_back(with_gradient(
      name + "_with_indices", p.label, {p.x},
      [=](const Tensors& x) { return std::get<0>(g(x[0], p.kernel, p.stride, p.padding, p.dilation, p.ceil_mode)); },
      [=](const Arrays& x) { return pooled(x[0], p, largest); }, torch + ", True)[0]"));
  all.push_back(without_gradient(
      name + "_with_indices", p.label + "_indices", {p.x},
      [=](const Tensors& x) { return std::get<1>(g(x[0], p.kernel, p.stride, p.padding, p.dilation, p.ceil_mode)); },
      [=](const Arrays& x) { return pooled(x[0], p, place_of_largest); }, torch + ", True)[1]"));
}

void add_average(Samples& all, const Pool& p) {
  const std::string name = "avg_pool" + std::to_string(p.dims) + "d";
  for (const bool counted : {true, false}) {
    for (const std::optional<std::int64_t> divisor : {std::optional<std::int64_t>(), std::optional<std::int64_t>(3)}) {
      if (divisor && (counted || p.dims == 1)) {
        continue;
      }
      const std::string label = p.label + (counted ? "" : "_uncounted") + (divisor ? "_divisor" : "");
      const std::string last = p.dims == 1 ? "" : ", " + python(divisor);
      all.push_back(with_gradient(
          name, label, {p.x},
          [=](const Tensors& x) {
            return p.dims == 1   ? avg_pool1d(x[0], p.kernel, p.stride, p.padding, p.ceil_mode, counted)
                   : p.dims == 2 ? avg_pool2d(x[0], p.kernel, p.stride, p.padding, p.ceil_mode, counted, divisor)
                                 : avg_pool3d(x[0], p.kernel, p.stride, p.padding, p.ceil_mode, counted, divisor);
          },
          [=](const Arrays& x) { return pooled(x[0], p, average(counted, divisor)); },
          "torch.nn.functional." + name + lists(p) + python(p.ceil_mode) + ", " + python(counted) + last + ")"));
    }
  }
}

void add_adaptive(Samples& all, const Pool& p) {
  using Max = std::tuple<Tensor, Tensor> (*)(const Tensor&, IntArrayRef);
  using Average = Tensor (*)(const Tensor&, IntArrayRef);
  const Max f = By<Max>{adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d}[p.dims - 1];
  const Average g = By<Average>{adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d}[p.dims - 1];
  const std::string suffix = "_pool" + std::to_string(p.dims) + "d";
  const std::string arguments = suffix + "(x[0], " + python(p.outputs);
  all.push_back(with_gradient(
      "adaptive_max" + suffix, p.label, {p.x}, [=](const Tensors& x) { return std::get<0>(f(x[0], p.outputs)); },
      [=](const Arrays& x) { return pooled(x[0], p, largest); },
      "torch.nn.functional.adaptive_max" + arguments + ", True)[0]"));
  all.push_back(without_gradient(
      "adaptive_max" + suffix, p.label + "_indices", {p.x},
      [=](const Tensors& x) { return std::get<1>(f(x[0], p.outputs)); },
      [=](const Arrays& x) { return pooled(x[0], p, place_of_largest); },
      "torch.nn.functional.adaptive_max" + arguments + ", True)[1]"));
  all.push_back(with_gradient(
      "adaptive_avg" + suffix, p.label, {p.x}, [=](const Tensors& x) { return g(x[0], p.outputs); },
      [=](const Arrays& x) { return pooled(x[0], p, average(false, {})); },
      "torch.nn.functional.adaptive_avg" + arguments + ")"));
}

const std::vector<Pool>& windows() {
  static const std::vector<Pool> kAll = {
      {"pairs", 1, numbers({2, 3, 6}), {2}, {2}, {0}, {1}},
      {"overlapping", 1, numbers({1, 5, 9}), {3}, {1}, {1}, {1}},
      {"gaps_unbatched", 1, numbers({3, 11}), {2}, {4}, {1}, {1}, true},
      {"long", 1, numbers({1, 1, 70}), {5}, {2}, {2}, {1}},
      {"empty_batch", 1, numbers({0, 3, 6}), {2}, {2}, {0}, {1}},
      {"pairs", 2, numbers({2, 3, 4, 6}), {2, 2}, {2, 2}, {0, 0}, {1, 1}},
      {"odd", 2, numbers({1, 5, 5, 7}), {2, 2}, {2, 2}, {0, 0}, {1, 1}},
      {"overlapping", 2, numbers({2, 3, 5, 4}), {3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {"resnet", 2, numbers({1, 2, 9, 18}), {3, 3}, {2, 2}, {1, 1}, {1, 1}},
      {"wide", 2, numbers({1, 1, 3, 40}), {2, 3}, {1, 2}, {1, 1}, {1, 1}},
      {"asymmetric", 2, numbers({1, 3, 7, 5}), {3, 2}, {2, 3}, {1, 0}, {1, 1}},
      {"gaps", 2, numbers({1, 2, 7, 8}), {1, 2}, {3, 3}, {0, 1}, {1, 1}},
      {"ceil", 2, numbers({1, 2, 6, 7}), {3, 2}, {2, 2}, {0, 1}, {1, 1}, true},
      {"ceil_in_padding", 2, numbers({1, 1, 5, 4}), {2, 2}, {2, 3}, {1, 1}, {1, 1}, true},
      {"one", 2, numbers({1, 1, 1, 1}), {1, 1}, {1, 1}, {0, 0}, {1, 1}},
      {"whole", 2, numbers({2, 17, 3, 4}), {3, 4}, {3, 4}, {0, 0}, {1, 1}},
      {"large_window", 2, numbers({1, 1, 17, 18}), {16, 17}, {1, 1}, {0, 1}, {1, 1}},
      {"unbatched_strided", 2, numbers({3, 4, 5}, Layout::Strided), {2, 2}, {1, 2}, {0, 1}, {1, 1}},
      {"transposed", 2, numbers({2, 3, 4, 5}, Layout::Transposed), {2, 2}, {2, 2}, {1, 1}, {1, 1}},
      {"expanded", 2, numbers({2, 3, 4, 5}, Layout::Expanded), {2, 2}, {2, 2}, {0, 0}, {1, 1}},
      {"no_channels", 2, numbers({0, 2, 4, 5}), {2, 2}, {2, 2}, {0, 0}, {1, 1}},
      {"pairs", 3, numbers({2, 2, 4, 2, 4}), {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, {1, 1, 1}},
      {"overlapping", 3, numbers({1, 2, 3, 4, 3}), {2, 3, 2}, {1, 2, 1}, {1, 1, 0}, {1, 1, 1}},
      {"ceil_unbatched", 3, numbers({2, 3, 4, 5}), {2, 2, 2}, {2, 2, 2}, {0, 1, 1}, {1, 1, 1}, true},
  };
  return kAll;
}

}  // namespace

Samples pooling_samples() {
  Samples all;
  for (const Pool& p : windows()) {
    add_max(all, p);
    add_average(all, p);
  }
  for (const Pool& p :
       std::vector<Pool>{{"dilated", 1, numbers({1, 2, 12}), {3}, {2}, {1}, {3}},
                         {"dilated", 2, numbers({1, 3, 9, 20}), {3, 2}, {1, 2}, {1, 1}, {2, 3}},
                         {"dilated_ceil", 2, numbers({1, 1, 8, 9}), {2, 3}, {3, 2}, {0, 1}, {2, 2}, true},
                         {"dilated", 3, numbers({1, 1, 5, 4, 6}), {2, 2, 3}, {1, 1, 2}, {0, 1, 1}, {2, 1, 2}}}) {
    add_max(all, p);
  }
  const auto adaptive = [&](const char* label, Operand x, Index outputs) {
    add_adaptive(all, {label, outputs.size(), std::move(x), {}, {}, {}, {}, false, outputs});
  };
  adaptive("even", numbers({2, 3, 6}), {3});
  adaptive("uneven", numbers({1, 2, 7}), {3});
  adaptive("more", numbers({2, 3}), {5});
  adaptive("to_one", numbers({2, 3, 19}), {1});
  adaptive("even", numbers({2, 3, 4, 6}), {2, 3});
  adaptive("uneven", numbers({1, 5, 7, 9}), {3, 4});
  adaptive("more", numbers({1, 1, 3, 2}), {5, 4});
  adaptive("same", numbers({1, 2, 3, 5}), {3, 5});
  adaptive("to_one", numbers({2, 5, 5, 7}), {1, 1});
  adaptive("to_one_unbatched", numbers({3, 2, 4}), {1, 1});
  adaptive("to_one_by_two", numbers({1, 3, 4, 5}, Layout::Strided), {1, 2});
  adaptive("transposed", numbers({2, 3, 5, 4}, Layout::Transposed), {2, 2});
  adaptive("uneven", numbers({1, 2, 3, 4, 5}), {2, 3, 2});
  adaptive("to_one", numbers({2, 2, 2, 3, 3}), {1, 1, 1});
  return all;
}

}  // namespace backflow::test
