// Maxima and minima, and their indices.
#include <limits>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

double largest(const Line& x) { return *std::max_element(x.begin(), x.end()); }
double smallest(const Line& x) { return *std::min_element(x.begin(), x.end()); }
double index_of_largest(const Line& x) { return static_cast<double>(std::max_element(x.begin(), x.end()) - x.begin()); }
double index_of_smallest(const Line& x) {
  return static_cast<double>(std::min_element(x.begin(), x.end()) - x.begin());
}

struct Case {
  const char* label;
  Index sizes;
  Index dims;
  Layout layout = Layout::Contiguous;
};

/// Rows along one dimension.
const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {{"rows", {3, 4}, {0}},
                                           {"columns", {3, 4}, {-1}},
                                           {"middle", {2, 3, 4}, {1}},
                                           {"scalar", {}, {0}},
                                           {"one", {3, 1}, {1}},
                                           {"long", {2, 70}, {1}},
                                           {"empty_kept", {3, 0}, {0}},
                                           {"transposed", {3, 4, 2}, {1}, Layout::Transposed},
                                           {"transposed_first", {3, 4}, {0}, Layout::Transposed},
                                           {"strided", {3, 5}, {1}, Layout::Strided},
                                           {"strided_rows", {3, 5}, {0}, Layout::Strided},
                                           {"expanded", {3, 4}, {1}, Layout::Expanded}};
  return kCases;
}

void add_along(Samples& all, const Case& c, bool keep) {
  const std::int64_t d = c.dims[0];
  const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout}};
  const std::string label = std::string(c.label) + (keep ? "_keepdim" : "");
  const std::string arguments = "(x[0], " + std::to_string(d) + ", " + python(keep) + ")";
  const auto reference = [c, keep](double (*f)(const Line&)) {
    return [c, keep, f](const Arrays& x) { return reduce_lines(x[0], c.dims, keep, f); };
  };
  all.push_back(with_gradient(
      "max", label, one, [d, keep](const Tensors& x) { return std::get<0>(x[0].max(d, keep)); }, reference(largest),
      "torch.max" + arguments + "[0]"));
  all.push_back(with_gradient(
      "min", label, one, [d, keep](const Tensors& x) { return std::get<0>(x[0].min(d, keep)); }, reference(smallest),
      "torch.min" + arguments + "[0]"));
  all.push_back(without_gradient(
      "max", label + "_indices", one, [d, keep](const Tensors& x) { return std::get<1>(x[0].max(d, keep)); },
      reference(index_of_largest), "torch.max" + arguments + "[1]"));
  all.push_back(without_gradient(
      "argmax", label, one, [d, keep](const Tensors& x) { return x[0].argmax(d, keep); }, reference(index_of_largest),
      "torch.argmax" + arguments));
  all.push_back(without_gradient(
      "argmin", label, one, [d, keep](const Tensors& x) { return x[0].argmin(d, keep); }, reference(index_of_smallest),
      "torch.argmin" + arguments));
}

void add_whole(Samples& all, const std::string& label, const Operand& operand) {
  const auto reference = [](double (*f)(const Line&)) {
    return [f](const Arrays& x) { return reduce_lines(x[0], {}, false, f); };
  };
  all.push_back(with_gradient(
      "max", label, {operand}, [](const Tensors& x) { return x[0].max(); }, reference(largest), "torch.max(x[0])"));
  all.push_back(with_gradient(
      "min", label, {operand}, [](const Tensors& x) { return x[0].min(); }, reference(smallest), "torch.min(x[0])"));
  all.push_back(with_gradient(
      "amax", label, {operand}, [](const Tensors& x) { return x[0].amax(); }, reference(largest), "torch.amax(x[0])"));
  all.push_back(without_gradient(
      "argmax", label, {operand}, [](const Tensors& x) { return x[0].argmax(); }, reference(index_of_largest),
      "torch.argmax(x[0])"));
  all.push_back(without_gradient(
      "argmin", label, {operand}, [](const Tensors& x) { return x[0].argmin(); }, reference(index_of_smallest),
      "torch.argmin(x[0])"));
}

void add_over(Samples& all, const Case& c, bool keep) {
  const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout}};
  const std::string label = std::string("over_") + c.label + (keep ? "_keepdim" : "");
  const std::string arguments = "(x[0], " + python(c.dims) + ", " + python(keep) + ")";
  all.push_back(with_gradient(
      "amax", label, one, [c, keep](const Tensors& x) { return x[0].amax(c.dims, keep); },
      [c, keep](const Arrays& x) { return reduce_lines(x[0], c.dims, keep, largest); }, "torch.amax" + arguments));
  all.push_back(with_gradient(
      "amin", label, one, [c, keep](const Tensors& x) { return x[0].amin(c.dims, keep); },
      [c, keep](const Arrays& x) { return reduce_lines(x[0], c.dims, keep, smallest); }, "torch.amin" + arguments));
}

/// Gathering by indices, and its opposite.
void add_selections(Samples& all) {
  struct Selection {
    const char* label;
    Index sizes;
    std::int64_t dim;
    Index chosen;  ///< sizes of the indices, with the dimension
    Layout layout = Layout::Contiguous;
  };
  for (const Selection& c : std::vector<Selection>{{"rows", {3, 4}, 0, {2, 4}},
                                                   {"columns", {3, 4}, -1, {3, 6}},
                                                   {"middle", {2, 3, 4}, 1, {2, 1, 4}},
                                                   {"empty", {3, 2}, 1, {3, 0}},
                                                   {"scalar", {}, 0, {}},
                                                   {"transposed", {3, 4}, 0, {2, 4}, Layout::Transposed},
                                                   {"strided", {3, 4}, 1, {3, 2}, Layout::Strided}}) {
    const std::int64_t d = c.dim;
    const std::string dim = std::to_string(d);
    const double high =
        c.sizes.empty() ? 1 : static_cast<double>(c.sizes[d < 0 ? c.sizes.size() - 1 : static_cast<std::size_t>(d)]);
    const auto pick = [](const Line& x, const Line& index) {
      Line y;
      for (const double i : index) {
        y.push_back(x[static_cast<std::size_t>(i)]);
      }
      return y;
    };
    all.push_back(with_gradient(
        "value_selecting_reduction", c.label, {{c.sizes, -2, 2, c.layout}, {c.chosen, 0, high, c.layout, Of::Integer}},
        [d](const Tensors& x) { return value_selecting_reduction(x[0], d, x[1], true); },
        [d, pick](const Arrays& x) { return map_lines(x[0], x[1], d, pick); },
        "torch.gather(x[0], " + dim + ", x[1])"));
    const std::size_t n = static_cast<std::size_t>(high);
    const auto spread = [n](const Line& dy, const Line& index) {
      Line dx(n);
      for (std::size_t i = 0; i < dy.size(); ++i) {
        dx[static_cast<std::size_t>(index[i])] += dy[i];
      }
      return dx;
    };
    all.push_back(with_gradient(
        "value_selecting_reduction_backward", c.label,
        {{c.chosen, -2, 2, c.layout}, {c.chosen, 0, high, c.layout, Of::Integer}},
        [d, sizes = c.sizes](const Tensors& x) {
          return value_selecting_reduction_backward(x[0], d, x[1], sizes, true);
        },
        [d, spread](const Arrays& x) { return map_lines(x[0], x[1], d, spread); },
        "torch.zeros(" + python(c.sizes) + ", dtype=x[0].dtype).scatter_add(" + dim + ", x[1], x[0])"));
  }
  all.push_back(with_gradient(
      "value_selecting_reduction", "without_dim", {{{3, 4}}, {{3}, 0, 4, Layout::Contiguous, Of::Integer}},
      [](const Tensors& x) { return value_selecting_reduction(x[0], 1, x[1], false); },
      [](const Arrays& x) {
        Array y = array_of({3});
        for (std::int64_t i = 0; i < 3; ++i) {
          y.at({i}) = x[0].at({i, static_cast<std::int64_t>(x[1].at({i}))});
        }
        return y;
      },
      "torch.gather(x[0], 1, x[1].unsqueeze(1)).squeeze(1)"));
}

}  // namespace

Samples extremes_samples() {
  Samples all;
  for (const Case& c : cases()) {
    for (const bool keep : {false, true}) {
      add_along(all, c, keep);
      add_over(all, c, keep);
    }
  }
  for (const Case& c : std::vector<Case>{{"outer", {2, 3, 4}, {0, -1}},
                                         {"inner", {2, 3, 4}, {1, 2}},
                                         {"no_list", {2, 3}, {}},
                                         {"both_transposed", {3, 4}, {0, 1}, Layout::Transposed}}) {
    add_over(all, c, false);
    add_over(all, c, true);
  }
  for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided}) {
    add_whole(all, std::string("all_") + name(layout), {{3, 4}, -2, 2, layout});
  }
  add_whole(all, "all_scalar", {{}});
  add_selections(all);
  return all;
}

}  // namespace backflow::test
