#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

/// One convolution, and which operator is called for it.
struct Case {
  const char* label;
  Index x;  // [batch, channels, spatial...]
  Index w;
  Index stride;
  Index padding;  // of both sides
  Index dilation;
  std::int64_t groups = 1;
  bool bias = true;
  Index output_padding = {};  // of transposed ones
  Layout layout = Layout::Contiguous;
};

Index at_least_one_each(const Index& list, std::size_t dims, std::int64_t usual) {
  return list.empty() ? Index(dims, usual) : list;
}

/// Calls f(place in x, place in w, place in y) for every product of a convolution of x to y.
template <class F>
void for_each_product(const Index& x_sizes, const Index& w_sizes, const Index& y_sizes, const Case& c, const F& f) {
  const std::size_t dims = x_sizes.size() - 2;
  const Index stride = at_least_one_each(c.stride, dims, 1);
  const Index padding = at_least_one_each(c.padding, dims, 0);
  const Index dilation = at_least_one_each(c.dilation, dims, 1);
  for_each_index(y_sizes, [&](const Index& y) {
    Index taps(w_sizes.begin() + 1, w_sizes.end());
    for_each_index(taps, [&](const Index& tap) {
      Index x(x_sizes.size());
      Index w(w_sizes.size());
      x[0] = y[0];
      w[0] = y[1];
      w[1] = tap[0];
      x[1] = y[1] / (w_sizes[0] / c.groups) * w_sizes[1] + tap[0];
      bool inside = true;
      for (std::size_t d = 0; d < dims; ++d) {
        w[d + 2] = tap[d + 1];
        x[d + 2] = y[d + 2] * stride[d] - padding[d] + tap[d + 1] * dilation[d];
        inside = inside && x[d + 2] >= 0 && x[d + 2] < x_sizes[d + 2];
      }
      if (inside) {
        f(x, w, y);
      }
    });
  });
}

/// The size of y along each spatial dimension.
Index result_sizes(const Case& c, bool transposed) {
  const std::size_t dims = c.x.size() - 2;
  const Index stride = at_least_one_each(c.stride, dims, 1);
  const Index padding = at_least_one_each(c.padding, dims, 0);
  const Index dilation = at_least_one_each(c.dilation, dims, 1);
  const Index more = at_least_one_each(c.output_padding, dims, 0);
  Index y{c.x[0], transposed ? c.w[1] * c.groups : c.w[0]};
  for (std::size_t d = 0; d < dims; ++d) {
    const std::int64_t reach = dilation[d] * (c.w[d + 2] - 1) + 1;
    y.push_back(transposed ? (c.x[d + 2] - 1) * stride[d] - 2 * padding[d] + reach + more[d]
                           : (c.x[d + 2] + 2 * padding[d] - reach) / stride[d] + 1);
  }
  return y;
}

void add_bias(Array& y, const Array& bias) {
  for_each_index(y.sizes, [&](const Index& at) { y.at(at) += bias.data[static_cast<std::size_t>(at[1])]; });
}

Array convolved(const Arrays& o, const Case& c) {
  Array y = array_of(result_sizes(c, false));
  for_each_product(o[0].sizes, o[1].sizes, y.sizes, c,
                   [&](const Index& x, const Index& w, const Index& to) { y.at(to) += o[0].at(x) * o[1].at(w); });
  if (c.bias) {
    add_bias(y, o[2]);
  }
  return y;
}

Array transposed(const Arrays& o, const Case& c) {
  Array y = array_of(result_sizes(c, true));
  for_each_product(y.sizes, o[1].sizes, o[0].sizes, c,
                   [&](const Index& to, const Index& w, const Index& x) { y.at(to) += o[0].at(x) * o[1].at(w); });
  if (c.bias) {
    add_bias(y, o[2]);
  }
  return y;
}

Array weight_gradient(const Arrays& o, const Case& c) {
  Array dw = array_of(c.w);
  for_each_product(o[0].sizes, c.w, o[1].sizes, c,
                   [&](const Index& x, const Index& w, const Index& y) { dw.at(w) += o[0].at(x) * o[1].at(y); });
  return dw;
}

std::vector<Operand> operands(const Case& c, bool transposed) {
  std::vector<Operand> list{numbers(c.x, c.layout), numbers(c.w, c.layout)};
  if (c.bias) {
    list.push_back(numbers({transposed ? c.w[1] * c.groups : c.w[0]}));
  }
  return list;
}

Tensor bias_of(const Tensors& x) { return x.size() > 2 ? x[2] : Tensor(); }

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"1d", {2, 3, 7}, {4, 3, 3}, {}, {}, {}},
      {"1d strided", {2, 3, 8}, {2, 3, 3}, {2}, {1}, {}, 1, false},
      {"2d 3 channels", {2, 3, 5, 4}, {5, 3, 3, 3}, {}, {1, 1}, {}},
      {"2d 17 to 24 channels", {1, 17, 3, 4}, {24, 17, 2, 2}, {}, {}, {}},
      {"2d 1x1", {2, 5, 3, 3}, {17, 5, 1, 1}, {}, {}, {}},
      {"2d 1x1 stride 2", {2, 3, 6, 5}, {2, 3, 1, 1}, {2, 2}, {}, {}, 1, false},
      {"2d stride, padding and dilation that differ", {1, 2, 9, 8}, {3, 2, 3, 2}, {2, 1}, {2, 1}, {1, 2}},
      {"2d groups", {2, 6, 4, 5}, {4, 3, 3, 3}, {}, {1, 1}, {}, 2},
      {"2d depthwise", {2, 5, 5, 5}, {5, 1, 3, 3}, {}, {1, 1}, {}, 5, false},
      {"2d depthwise twice as many", {1, 3, 5, 4}, {6, 1, 2, 2}, {2, 2}, {}, {}, 3},
      {"2d even kernel", {1, 2, 6, 7}, {3, 2, 4, 2}, {3, 2}, {1, 1}, {}},
      {"2d kernel as large as the input", {2, 3, 4, 3}, {2, 3, 4, 3}, {}, {}, {}},
      {"2d not contiguous", {2, 3, 5, 4}, {3, 3, 3, 2}, {}, {1, 0}, {}, 1, true, {}, Layout::Strided},
      {"2d transposed memory", {3, 2, 4, 3}, {2, 2, 2, 2}, {}, {}, {}, 1, true, {}, Layout::Transposed},
      {"2d expanded", {2, 3, 4, 4}, {2, 3, 3, 3}, {}, {}, {}, 1, false, {}, Layout::Expanded},
      {"2d no samples", {0, 2, 4, 4}, {3, 2, 3, 3}, {}, {}, {}},
      {"3d", {1, 2, 4, 3, 5}, {3, 2, 2, 2, 3}, {}, {}, {}},
      {"3d stride and padding", {2, 1, 5, 4, 3}, {2, 1, 3, 2, 2}, {2, 1, 2}, {1, 1, 0}, {1, 2, 1}, 1, false},
  };
  return kCases;
}

const std::vector<Case>& transposed_cases() {
  static const std::vector<Case> kCases = {
      {"1d", {2, 3, 5}, {3, 4, 3}, {}, {}, {}},
      {"1d output padding", {1, 2, 4}, {2, 3, 3}, {3}, {1}, {2}, 1, false, {2}},
      {"2d", {2, 5, 3, 4}, {5, 3, 3, 3}, {}, {1, 1}, {}},
      {"2d stride 2", {1, 17, 3, 2}, {17, 3, 2, 2}, {2, 2}, {}, {}},
      {"2d everything", {2, 4, 3, 4}, {4, 3, 3, 2}, {2, 3}, {1, 0}, {1, 2}, 2, true, {1, 2}},
      {"2d output padding beyond the stride", {1, 2, 3, 3}, {2, 2, 2, 2}, {1, 1}, {}, {3, 3}, 1, false, {2, 1}},
      {"2d depthwise", {2, 3, 4, 4}, {3, 1, 3, 3}, {2, 2}, {1, 1}, {}, 3},
      {"3d", {1, 2, 2, 3, 2}, {2, 3, 2, 2, 3}, {1, 2, 1}, {0, 1, 1}, {}, 1, true, {0, 1, 0}},
  };
  return kCases;
}

std::string arguments(const Case& c, bool with_bias) {
  const std::size_t dims = c.x.size() - 2;
  return "x[0], x[1], " + std::string(with_bias ? "x[2]" : "None") +
         ", stride=" + python(at_least_one_each(c.stride, dims, 1)) +
         ", padding=" + python(at_least_one_each(c.padding, dims, 0)) +
         ", dilation=" + python(at_least_one_each(c.dilation, dims, 1)) + ", groups=" + std::to_string(c.groups);
}

/// The number of spatial dimensions, as text.
std::string dims_of(const Case& c) { return std::to_string(c.x.size() - 2); }

Tensor call_conv(const Tensors& x, const Case& c) {
  const std::size_t dims = c.x.size() - 2;
  using Function =
      Tensor (*)(const Tensor&, const Tensor&, const Tensor&, IntArrayRef, IntArrayRef, IntArrayRef, std::int64_t);
  const Function f = dims == 1 ? Function(conv1d) : dims == 2 ? Function(conv2d) : Function(conv3d);
  return f(x[0], x[1], bias_of(x), at_least_one_each(c.stride, dims, 1), at_least_one_each(c.padding, dims, 0),
           at_least_one_each(c.dilation, dims, 1), c.groups);
}

Tensor call_transposed(const Tensors& x, const Case& c) {
  const std::size_t dims = c.x.size() - 2;
  const auto f = dims == 1 ? conv_transpose1d : dims == 2 ? conv_transpose2d : conv_transpose3d;
  return f(x[0], x[1], bias_of(x), at_least_one_each(c.stride, dims, 1), at_least_one_each(c.padding, dims, 0),
           at_least_one_each(c.output_padding, dims, 0), c.groups, at_least_one_each(c.dilation, dims, 1));
}

void add_convolutions(Samples& all) {
  for (const Case& c : cases()) {
    all.push_back({.op = "conv" + dims_of(c) + "d",
                   .label = c.label,
                   .operands = operands(c, false),
                   .call = [c](const Tensors& x) { return call_conv(x, c); },
                   .reference = [c](const Arrays& o) { return convolved(o, c); },
                   .tolerance = 4,
                   .torch = "torch.nn.functional.conv" + dims_of(c) + "d(" + arguments(c, c.bias) + ")"});
  }
  for (const Case& c : transposed_cases()) {
    all.push_back({.op = "conv_transpose" + dims_of(c) + "d",
                   .label = c.label,
                   .operands = operands(c, true),
                   .call = [c](const Tensors& x) { return call_transposed(x, c); },
                   .reference = [c](const Arrays& o) { return transposed(o, c); },
                   .tolerance = 4,
                   .torch = "torch.nn.functional.conv_transpose" + dims_of(c) + "d(" + arguments(c, c.bias) +
                            ", output_padding=" + python(at_least_one_each(c.output_padding, c.x.size() - 2, 0)) +
                            ")"});
  }
}

/// One sample, without the dimension of the batch.
void add_unbatched(Samples& all) {
  const Case c{"unbatched", {1, 3, 5, 4}, {2, 3, 2, 3}, {}, {}, {}, 1, false};
  all.push_back({.op = "conv2d",
                 .label = c.label,
                 .operands = {numbers({3, 5, 4}), numbers(c.w)},
                 .call = [](const Tensors& x) { return conv2d(x[0], x[1]); },
                 .reference =
                     [c](const Arrays& o) {
                       Arrays batch = o;
                       batch[0].sizes.insert(batch[0].sizes.begin(), 1);
                       Array y = convolved(batch, c);
                       y.sizes.erase(y.sizes.begin());
                       return y;
                     },
                 .tolerance = 4,
                 .torch = "torch.nn.functional.conv2d(x[0], x[1])"});
}

/// The padding by a rule.
void add_by_rule(Samples& all) {
  const Case line{"same", {2, 3, 9}, {4, 3, 3}, {}, {2}, {2}};
  const Case image{"same", {2, 3, 6, 5}, {4, 3, 3, 2}, {}, {1, 1}, {1, 2}};
  const Case volume{"same", {1, 2, 3, 4, 3}, {2, 1, 3, 1, 3}, {}, {1, 0, 1}, {}, 2};
  const Case valid{"valid", {2, 3, 6, 5}, {4, 3, 3, 2}, {2, 1}, {}, {}};
  const auto add = [&](const char* op, const Case& c, std::function<Tensor(const Tensors&)> call, const char* rest) {
    all.push_back({.op = op,
                   .label = c.label,
                   .operands = operands(c, false),
                   .call = std::move(call),
                   .reference = [c](const Arrays& o) { return convolved(o, c); },
                   .tolerance = 4,
                   .torch = std::string("torch.nn.functional.") + op + "(x[0], x[1], x[2], " + rest + ")"});
  };
  add(
      "conv1d", line, [](const Tensors& x) { return conv1d(x[0], x[1], x[2], 1, "same", 2); },
      "padding='same', dilation=2");
  add(
      "conv2d", image,
      [](const Tensors& x) {
        return conv2d(x[0], x[1], x[2], 1, "same", {1, 2});
      },
      "padding='same', dilation=(1, 2)");
  add(
      "conv2d", valid,
      [](const Tensors& x) {
        return conv2d(x[0], x[1], x[2], {2, 1}, "valid");
      },
      "stride=(2, 1), padding='valid'");
  add(
      "conv3d", volume, [](const Tensors& x) { return conv3d(x[0], x[1], x[2], 1, "same", 1, 2); },
      "padding='same', groups=2");
  all.push_back({.op = "conv2d",
                 .label = "same, larger behind",
                 .operands = {numbers({2, 3, 5, 4}), numbers({4, 3, 2, 4})},
                 .call = [](const Tensors& x) { return conv2d(x[0], x[1], {}, 1, "same"); },
                 .reference =
                     [](const Arrays& o) {
                       Array padded = array_of({2, 3, 6, 7});
                       for_each_index(o[0].sizes, [&](const Index& at) {
                         padded.at({at[0], at[1], at[2], at[3] + 1}) = o[0].at(at);
                       });
                       return convolved({padded, o[1]}, {"", padded.sizes, o[1].sizes, {}, {}, {}, 1, false});
                     },
                 .tolerance = 4,
                 .torch = "torch.nn.functional.conv2d(x[0], x[1], padding='same')"});
}

/// The operators that the others are made of.
void add_general(Samples& all) {
  const Case even{"", {2, 3, 6, 5}, {4, 3, 3, 2}, {2, 1}, {1, 0}, {1, 2}};
  all.push_back({.op = "convolution",
                 .label = "two dimensions",
                 .operands = operands(even, false),
                 .call =
                     [even](const Tensors& x) {
                       return convolution(x[0], x[1], x[2], even.stride, even.padding, even.dilation, false, 0, 1);
                     },
                 .reference = [even](const Arrays& o) { return convolved(o, even); },
                 .tolerance = 4,
                 .torch = "torch.convolution(x[0], x[1], x[2], [2, 1], [1, 0], [1, 2], False, [0, 0], 1)"});
  // Two zeros in front of the first dimension and one behind it; none in front of the second and three behind it.
  all.push_back(
      {.op = "convolution",
       .label = "padding that differs at both ends",
       .operands = {numbers({2, 3, 5, 4}), numbers({4, 3, 3, 2})},
       .call =
           [](const Tensors& x) {
             return convolution(x[0], x[1], {}, {2, 1}, {2, 1, 0, 3}, 1, false, 0, 1);
           },
       .reference =
           [](const Arrays& o) {
             Array padded = array_of({2, 3, 8, 7});
             for_each_index(o[0].sizes, [&](const Index& at) {
               padded.at({at[0], at[1], at[2] + 2, at[3]}) = o[0].at(at);
             });
             const Case c{"", padded.sizes, o[1].sizes, {2, 1}, {}, {}, 1, false};
             return convolved({padded, o[1]}, c);
           },
       .tolerance = 4,
       .torch = "torch.nn.functional.conv2d(torch.nn.functional.pad(x[0], (0, 3, 2, 1)), x[1], stride=[2, 1])"});
  const Case odd{"", {2, 4, 6, 5}, {6, 2, 3, 2}, {2, 1}, {1, 0}, {1, 2}, 2, false};
  all.push_back({.op = "convolution_weight_gradient",
                 .label = "groups, stride, padding and dilation",
                 .operands = {numbers(odd.x), numbers(result_sizes(odd, false))},
                 .call =
                     [odd](const Tensors& x) {
                       return convolution_weight_gradient(x[0], x[1], odd.w, odd.stride, odd.padding, odd.dilation, 2);
                     },
                 .reference = [odd](const Arrays& o) { return weight_gradient(o, odd); },
                 .tolerance = 4,
                 .torch = "torch.nn.grad.conv2d_weight(x[0], [6, 2, 3, 2], x[1], [2, 1], [1, 0], [1, 2], 2)"});
}

}  // namespace

Samples convolution_samples() {
  Samples all;
  add_convolutions(all);
  add_unbatched(all);
  add_by_rule(all);
  add_general(all);
  return all;
}

}  // namespace backflow::test
