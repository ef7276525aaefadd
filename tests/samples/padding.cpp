#include <algorithm>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

enum class Mode { Constant, Reflect, Replicate, Circular };

const char* name(Mode mode) {
  const char* const names[] = {"constant", "reflect", "replicate", "circular"};
  return names[static_cast<int>(mode)];
}

/// The element that stands at i of a padded dimension of this size; -1 for a border of one number.
std::int64_t source(std::int64_t i, std::int64_t size, Mode mode) {
  switch (mode) {
    case Mode::Reflect:
      return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i;
    case Mode::Replicate:
      return std::min(std::max<std::int64_t>(i, 0), size - 1);
    case Mode::Circular:
      return (i + size) % size;
    default:
      return i < 0 || i >= size ? -1 : i;
  }
}

Array padded(const Array& x, const Index& pad, Mode mode, double value) {
  Index sizes = x.sizes;
  Index before(sizes.size(), 0);
  for (std::size_t i = 0; i < pad.size() / 2; ++i) {
    const std::size_t d = sizes.size() - 1 - i;
    sizes[d] += pad[2 * i] + pad[2 * i + 1];
    before[d] = pad[2 * i];
  }
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& at) {
    Index from = at;
    for (std::size_t d = 0; d < at.size(); ++d) {
      from[d] = source(at[d] - before[d], x.sizes[d], mode);
    }
    y.at(at) = std::find(from.begin(), from.end(), -1) == from.end() ? x.at(from) : value;
  });
  return y;
}

std::string list(const Index& values) {
  std::string text = "(";
  for (const std::int64_t v : values) {
    text += std::to_string(v) + ", ";
  }
  return text + ")";
}

void add_constant(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    Index pad;
  };
  for (const Case& c : std::vector<Case>{{"vector", numbers({3}), {1, 2}},
                                         {"last", numbers({2, 3}), {2, 0}},
                                         {"both_transposed", numbers({2, 3}, Layout::Transposed), {1, 1, 0, 2}},
                                         {"cut_strided", numbers({3, 4}, Layout::Strided), {-1, 2, 1, -2}},
                                         {"cut_away", numbers({3, 4}), {-4, 2}},
                                         {"three_expanded", numbers({2, 2, 3}, Layout::Expanded), {1, 0, 0, 1, 1, 1}},
                                         {"nothing", numbers({2, 3}), {}},
                                         {"empty", numbers({0, 3}), {1, 1, 1, 0}},
                                         {"scalar", numbers({}), {}}}) {
    all.push_back({.op = "constant_pad_nd",
                   .label = c.label,
                   .operands = {c.x},
                   .call = [pad = c.pad](const Tensors& x) { return constant_pad_nd(x[0], pad, 2); },
                   .reference = [pad = c.pad](const Arrays& x) { return padded(x[0], pad, Mode::Constant, 2); },
                   .torch = "torch.constant_pad_nd(x[0], " + list(c.pad) + ", 2)"});
  }
}

/// What the modes other than a number's are made of.
void add_border(Samples& all, const Operand& x, const Index& pad, Mode mode, const std::string& label) {
  const std::string in_torch = "torch.nn.functional.pad(x[0], " + list(pad) + ", '" + name(mode) + "')";
  all.push_back({.op = "pad_border",
                 .label = std::string(name(mode)) + "_" + label,
                 .operands = {x},
                 .call = [=](const Tensors& t) { return pad_border(t[0], pad, name(mode)); },
                 .reference = [=](const Arrays& t) { return padded(t[0], pad, mode, 0); },
                 .torch = in_torch});
  const Array border = padded(array_of(x.sizes), pad, mode, 0);
  all.push_back({.op = "pad_border_backward",
                 .label = std::string(name(mode)) + "_" + label,
                 .operands = {{border.sizes, -2, 2, x.layout}},
                 .call = [=](const Tensors& t) { return pad_border_backward(t[0], x.sizes, pad, name(mode)); },
                 .reference =
                     [=](const Arrays& t) {
                       Array dx = array_of(x.sizes);
                       for_each_index(t[0].sizes, [&](const Index& at) {
                         Index from = at;
                         for (std::size_t d = 0; d < at.size(); ++d) {
                           const std::size_t i = at.size() - 1 - d;
                           from[d] = source(at[d] - (i < pad.size() / 2 ? pad[2 * i] : 0), x.sizes[d], mode);
                         }
                         dx.at(from) += t[0].at(at);
                       });
                       return dx;
                     },
                 .torch = "torch.autograd.grad((p := torch.zeros(" + python(x.sizes) +
                          ", dtype=x[0].dtype, requires_grad=True), torch.nn.functional.pad(p, " + list(pad) + ", '" +
                          name(mode) + "'))[1], p, x[0], create_graph=True)[0]"});
}

void add_pad(Samples& all) {
  all.push_back({.op = "pad",
                 .label = "zeros",
                 .operands = {numbers({2, 3})},
                 .call =
                     [](const Tensors& x) {
                       return pad(x[0], {1, 2});
                     },
                 .reference =
                     [](const Arrays& x) {
                       return padded(x[0], {1, 2}, Mode::Constant, 0);
                     },
                 .torch = "torch.nn.functional.pad(x[0], (1, 2))"});
  all.push_back({.op = "pad",
                 .label = "number",
                 .operands = {numbers({2, 3})},
                 .call =
                     [](const Tensors& x) {
                       return pad(x[0], {1, 2, 1, 0}, "constant", 3);
                     },
                 .reference =
                     [](const Arrays& x) {
                       return padded(x[0], {1, 2, 1, 0}, Mode::Constant, 3);
                     },
                 .torch = "torch.nn.functional.pad(x[0], (1, 2, 1, 0), 'constant', 3)"});
  struct Case {
    const char* label;
    Operand x;
    Index pad;
  };
  for (const Case& c :
       std::vector<Case>{{"line", numbers({2, 4}), {2, 1}},
                         {"plane_transposed", numbers({2, 3, 4}, Layout::Transposed), {1, 2, 2, 0}},
                         {"space_strided", numbers({1, 2, 3, 3, 4}, Layout::Strided), {3, 1, 1, 2, 0, 1}},
                         {"nothing", numbers({2, 4}), {0, 0}}}) {
    for (const Mode mode : {Mode::Reflect, Mode::Replicate, Mode::Circular}) {
      Operand x_of_mode = c.x;
      if (mode == Mode::Circular && c.x.sizes.size() < c.pad.size() / 2 + 2) {
        x_of_mode.sizes.insert(x_of_mode.sizes.begin(), 1);  // PyTorch wants a batch for this one
      }
      all.push_back({.op = "pad",
                     .label = std::string(name(mode)) + "_" + c.label,
                     .operands = {x_of_mode},
                     .call = [pad = c.pad, mode](const Tensors& x) { return backflow::pad(x[0], pad, name(mode)); },
                     .reference = [pad = c.pad, mode](const Arrays& x) { return padded(x[0], pad, mode, 0); },
                     .torch = "torch.nn.functional.pad(x[0], " + list(c.pad) + ", '" + name(mode) + "')"});
      add_border(all, x_of_mode, c.pad, mode, c.label);
    }
  }
}

/// Element (.., i, .., j) of the windows is the i step + j-th along the dimension.
Index window_source(const Index& at, std::size_t dim, std::int64_t step) {
  Index from(at.begin(), at.end() - 1);
  if (!from.empty()) {
    from[dim] = from[dim] * step + at.back();
  }
  return from;
}

void add_unfold(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    std::int64_t dim;
    std::size_t at;
    std::int64_t size;
    std::int64_t step;
    Index result;
  };
  for (const Case& c :
       std::vector<Case>{{"overlapping", numbers({7}), 0, 0, 3, 1, {5, 3}},
                         {"apart", numbers({7}), 0, 0, 2, 3, {2, 2}},
                         {"rows", numbers({5, 2}), 0, 0, 3, 2, {2, 2, 3}},
                         {"columns_transposed", numbers({2, 5}, Layout::Transposed), -1, 1, 2, 1, {2, 4, 2}},
                         {"strided", numbers({2, 5}, Layout::Strided), 1, 1, 5, 1, {2, 1, 5}},
                         {"size_0", numbers({3}), 0, 0, 0, 1, {4, 0}},
                         {"empty", numbers({0, 3}), 1, 1, 2, 1, {0, 2, 2}},
                         {"scalar", numbers({}), 0, 0, 1, 1, {1}}}) {
    all.push_back({.op = "unfold",
                   .label = c.label,
                   .operands = {c.x},
                   .call = [c](const Tensors& x) { return x[0].unfold(c.dim, c.size, c.step); },
                   .reference =
                       [c](const Arrays& x) {
                         Array y = array_of(c.result);
                         for_each_index(c.result,
                                        [&](const Index& at) { y.at(at) = x[0].at(window_source(at, c.at, c.step)); });
                         return y;
                       },
                   .torch = "x[0].unfold(" + std::to_string(c.dim) + ", " + std::to_string(c.size) + ", " +
                            std::to_string(c.step) + ")"});
    std::string sizes = list(c.x.sizes);
    all.push_back({.op = "unfold_backward",
                   .label = c.label,
                   .operands = {{c.result, -2, 2, c.x.layout}},
                   .call = [c](const Tensors& x) { return unfold_backward(x[0], c.x.sizes, c.dim, c.size, c.step); },
                   .reference =
                       [c](const Arrays& x) {
                         Array y = array_of(c.x.sizes);
                         for_each_index(c.result,
                                        [&](const Index& at) { y.at(window_source(at, c.at, c.step)) += x[0].at(at); });
                         return y;
                       },
                   .torch = "torch.ops.aten.unfold_backward(x[0], " + sizes + ", " + std::to_string(c.dim) + ", " +
                            std::to_string(c.size) + ", " + std::to_string(c.step) + ")"});
  }
}

}  // namespace

Samples padding_samples() {
  Samples all;
  add_constant(all);
  add_pad(all);
  add_unfold(all);
  return all;
}

}  // namespace backflow::test
