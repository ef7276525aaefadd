// Log-probabilities, and losses of these and of scores compared with classes.
#include <cmath>

#include <backflow/tests/support/loss_references.h>

namespace backflow::test {
namespace {

struct Shape {
  const char* label;
  Index sizes;
  Layout layout = Layout::Contiguous;
  Layout target_layout = Layout::Contiguous;
};

const std::vector<Shape> kShapes = {{"contiguous", {4, 3}},
                                    {"transposed", {4, 3}, Layout::Transposed, Layout::Strided},
                                    {"expanded", {4, 3}, Layout::Expanded},
                                    {"vector", {5}},
                                    {"one_class", {3, 1}},
                                    {"one_row", {1, 17}},
                                    {"odd", {5, 24}},
                                    {"deep", {2, 3, 5}},
                                    {"deep_transposed", {3, 4, 2}, Layout::Transposed, Layout::Transposed},
                                    {"image", {2, 3, 2, 4}, Layout::Strided},
                                    {"flat_image", {1, 4, 1, 1}},
                                    {"volume", {2, 3, 2, 1, 3}}};

std::size_t class_dim(const Index& sizes) { return sizes.size() == 1 ? 0 : 1; }

Index positions_of(Index sizes) {
  sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(class_dim(sizes)));
  return sizes;
}

/// What a call is given besides its operands.
struct Settings {
  std::string label;
  bool weighted = false;
  std::int64_t ignored = -100;
  double smoothing = 0;
};

const std::vector<Settings> kSettings = {
    {"", false}, {"weighted_", true}, {"ignoring_", false, 0}, {"weighted_ignoring_", true, 1}};

std::vector<double> weights_of(const Settings& s, std::int64_t classes) {
  std::vector<double> weights;
  for (std::int64_t c = 0; c < classes; ++c) {
    weights.push_back(s.weighted ? 0.5 + 0.75 * static_cast<double>(c % 4) : 1);
  }
  return weights;
}

Tensor weight_for(const Settings& s, const Tensor& x) {
  return s.weighted ? constants(weights_of(s, x.size(x.dim() == 1 ? 0 : 1)), x) : Tensor();
}

std::string arguments(const Settings& s, const Index& sizes, std::int64_t reduction) {
  const std::string weight = s.weighted ? python_constants(weights_of(s, sizes[class_dim(sizes)])) : "None";
  return to_text("weight=", weight, ", reduction=", python_name(reduction), ", ignore_index=", s.ignored);
}

/// The losses of log-probabilities with smoothed targets, reduced.
Array loss_of(const Array& log_p, const Array& target, const Settings& s, std::int64_t reduction) {
  const std::size_t dim = class_dim(log_p.sizes);
  const std::int64_t classes = log_p.sizes[dim];
  const std::vector<double> w = weights_of(s, classes);
  Array losses = array_of(target.sizes);
  double total_weight = 0;
  for_each_index(target.sizes, [&](const Index& position) {
    const auto t = static_cast<std::int64_t>(target.at(position));
    if (t == s.ignored) {
      return;
    }
    Index at = position;
    at.insert(at.begin() + static_cast<std::ptrdiff_t>(dim), 0);
    for (std::int64_t c = 0; c < classes; ++c) {
      at[dim] = c;
      const double wanted = (c == t ? 1 - s.smoothing : 0) + s.smoothing / static_cast<double>(classes);
      losses.at(position) -= w[static_cast<std::size_t>(c)] * wanted * log_p.at(at);
    }
    total_weight += w[static_cast<std::size_t>(t)];
  });
  if (reduction == Reduction::Mean) {
    return {{}, {reduced(losses, Reduction::Sum).data[0] / total_weight}};
  }
  return reduced(losses, reduction);
}

void add_nll(Samples& all, const Shape& shape, const Settings& s, std::int64_t reduction) {
  const Index positions = positions_of(shape.sizes);
  const auto classes = static_cast<double>(shape.sizes[class_dim(shape.sizes)]);
  const Operand target{positions, 0, classes, shape.target_layout, Of::Integer};
  const std::string label = s.label + shape.label + "_reduction" + std::to_string(reduction);
  const auto reference = [=](const Arrays& x) { return loss_of(x[0], x[1], s, reduction); };
  const std::string torch =
      to_text("torch.nn.functional.nll_loss(x[0], x[1], ", arguments(s, shape.sizes, reduction), ")");
  const std::vector<Operand> operands = {{shape.sizes, -2, 2, shape.layout}, target};
  all.push_back(
      {.op = "nll_loss_nd",
       .label = label,
       .operands = operands,
       .call = [=](const Tensors& x) { return nll_loss_nd(x[0], x[1], weight_for(s, x[0]), reduction, s.ignored); },
       .reference = reference,
       .torch = torch});
  const bool is_flat = shape.sizes.size() <= 2;
  all.push_back({.op = is_flat ? "nll_loss" : "nll_loss2d",
                 .label = label,
                 .operands = operands,
                 .call =
                     [=](const Tensors& x) {
                       return is_flat ? nll_loss(x[0], x[1], weight_for(s, x[0]), reduction, s.ignored)
                                      : nll_loss2d(x[0], x[1], weight_for(s, x[0]), reduction, s.ignored);
                     },
                 .reference = reference,
                 .torch = torch});
}

void add_cross_entropy(Samples& all, const Shape& shape, const Settings& s, std::int64_t reduction) {
  const auto classes = static_cast<double>(shape.sizes[class_dim(shape.sizes)]);
  all.push_back(
      {.op = "cross_entropy_loss",
       .label = s.label + shape.label + "_reduction" + std::to_string(reduction),
       .operands = {{shape.sizes, -4, 4, shape.layout},
                    {positions_of(shape.sizes), 0, classes, shape.target_layout, Of::Integer}},
       .call =
           [=](const Tensors& x) {
             return cross_entropy_loss(x[0], x[1], weight_for(s, x[0]), reduction, s.ignored, s.smoothing);
           },
       .reference =
           [=](const Arrays& x) { return loss_of(log_softmax_of(x[0], class_dim(x[0].sizes)), x[1], s, reduction); },
       .tolerance = 4,
       .torch = to_text("torch.nn.functional.cross_entropy(x[0], x[1], ", arguments(s, shape.sizes, reduction),
                        ", label_smoothing=", s.smoothing, ")")});
}

void add_probabilities(Samples& all, const Shape& shape, const Settings& s, std::int64_t reduction) {
  const std::size_t dim = class_dim(shape.sizes);
  all.push_back({.op = "cross_entropy_loss",
                 .label = s.label + "probabilities_" + shape.label + "_reduction" + std::to_string(reduction),
                 .operands = {{shape.sizes, -4, 4, shape.layout}, {shape.sizes, 0, 1, shape.target_layout}},
                 .call =
                     [=](const Tensors& x) {
                       return cross_entropy_loss(x[0], x[1], weight_for(s, x[0]), reduction, -100, s.smoothing);
                     },
                 .reference =
                     [=](const Arrays& x) {
                       const Array log_p = log_softmax_of(x[0], dim);
                       const auto classes = static_cast<double>(shape.sizes[dim]);
                       const std::vector<double> w = weights_of(s, shape.sizes[dim]);
                       Array losses = array_of(positions_of(shape.sizes));
                       for_each_index(shape.sizes, [&](const Index& i) {
                         const double wanted = x[1].at(i) * (1 - s.smoothing) + s.smoothing / classes;
                         Index position = i;
                         position.erase(position.begin() + static_cast<std::ptrdiff_t>(dim));
                         losses.at(position) -= w[static_cast<std::size_t>(i[dim])] * wanted * log_p.at(i);
                       });
                       return reduced(losses, reduction);
                     },
                 .tolerance = 8,
                 .torch = to_text("torch.nn.functional.cross_entropy(x[0], x[1], ",
                                  arguments(s, shape.sizes, reduction), ", label_smoothing=", s.smoothing, ")")});
}

void add_gradients(Samples& all, const Shape& shape, const Settings& s, std::int64_t reduction) {
  const Index positions = positions_of(shape.sizes);
  const std::int64_t classes = shape.sizes[class_dim(shape.sizes)];
  const auto reference = [=](const Arrays& x) {
    const std::vector<double> w = weights_of(s, classes);
    Array dx = array_of(shape.sizes);
    double total = 0;
    for_each_index(positions, [&](const Index& position) {
      const auto t = static_cast<std::int64_t>(x[1].at(position));
      if (t != s.ignored) {
        Index at = position;
        at.insert(at.begin() + static_cast<std::ptrdiff_t>(class_dim(shape.sizes)), t);
        dx.at(at) = -w[static_cast<std::size_t>(t)] * x[0].at(x[0].sizes.empty() ? Index{} : position);
        total += w[static_cast<std::size_t>(t)];
      }
    });
    return reduction == Reduction::Mean ? map(dx, [&](double v) { return v / total; }) : dx;
  };
  const std::string torch = to_text("torch.autograd.grad(torch.nn.functional.nll_loss(z, x[1], ",
                                    arguments(s, shape.sizes, reduction), "), z, x[0], create_graph=True)[0]");
  all.push_back({.op = "nll_loss_backward",
                 .label = s.label + shape.label + "_reduction" + std::to_string(reduction),
                 .operands = {{reduction == Reduction::None ? positions : Index{}, -2, 2, Layout::Strided},
                              {positions, 0, static_cast<double>(classes), Layout::Contiguous, Of::Integer}},
                 .call =
                     [=](const Tensors& x) {
                       const Tensor weight = s.weighted ? constants(weights_of(s, classes), x[0]) : Tensor();
                       return nll_loss_backward(x[0], x[1], weight, shape.sizes, reduction, s.ignored);
                     },
                 .reference = reference,
                 .torch = to_text("[", torch, " for z in [x[0].detach().new_zeros(", python(shape.sizes),
                                  ").requires_grad_()]][0]")});
}

void add_rows(Samples& all) {
  for (const double smoothing : {0.0, 0.25}) {
    const Settings s{"", true, 2, smoothing};
    all.push_back({.op = "_cross_entropy",
                   .label = to_text("smoothing", smoothing),
                   .operands = {{{5, 3}, -4, 4}, {{5}, 0, 3, Layout::Contiguous, Of::Integer}},
                   .call =
                       [=](const Tensors& x) {
                         return std::get<0>(_cross_entropy(x[0], x[1], {}, Reduction::Mean, 2, smoothing));
                       },
                   .reference =
                       [=](const Arrays& x) {
                         return loss_of(log_softmax_of(x[0], 1), x[1], {"", false, 2, smoothing}, Reduction::Mean);
                       },
                   .tolerance = 4,
                   .torch = to_text("torch.nn.functional.cross_entropy(x[0], x[1], ignore_index=2, label_smoothing=",
                                    smoothing, ")")});
  }
}

void add_log_softmax(Samples& all) {
  struct Case {
    const char* label;
    Index sizes;
    std::int64_t dim;
    std::size_t counted;
    Layout layout = Layout::Contiguous;
  };
  for (const Case& c : std::vector<Case>{{"last", {3, 5}, -1, 1},
                                         {"first", {3, 5}, 0, 0},
                                         {"middle", {2, 3, 4}, 1, 1},
                                         {"vector", {21}, 0, 0},
                                         {"one_class", {3, 1}, 1, 1},
                                         {"scalar", {}, 0, 0},
                                         {"empty_rows", {0, 3}, 1, 1},
                                         {"empty_classes", {3, 0}, 1, 1},
                                         {"transposed", {3, 5}, 1, 1, Layout::Transposed},
                                         {"strided", {3, 5}, 0, 0, Layout::Strided},
                                         {"expanded", {3, 5}, 1, 1, Layout::Expanded}}) {
    all.push_back({.op = "log_softmax",
                   .label = c.label,
                   .operands = {{c.sizes, -4, 4, c.layout}},
                   .call = [dim = c.dim](const Tensors& x) { return log_softmax(x[0], dim); },
                   .reference = [d = c.counted](const Arrays& x) { return log_softmax_of(x[0], d); },
                   .tolerance = 4,
                   .torch = to_text("torch.log_softmax(x[0], ", c.dim, ")")});
  }
}

}  // namespace

Samples class_loss_samples() {
  Samples all;
  add_log_softmax(all);
  add_rows(all);
  for (const std::int64_t reduction : kReductions) {
    for (const Shape& shape : kShapes) {
      for (const Settings& s : kSettings) {
        const bool may_ignore_all = shape.sizes.size() == 1 || shape.sizes[0] == 1 || shape.sizes[1] == 1;
        if (may_ignore_all && s.ignored != -100 && reduction == Reduction::Mean) {
          continue;  // the mean over nothing is NaN, which has no gradient
        }
        add_nll(all, shape, s, reduction);
        add_gradients(all, shape, s, reduction);
        add_cross_entropy(all, shape, s, reduction);
        Settings smooth = s;
        smooth.label += "smooth_";
        smooth.smoothing = 0.125;
        add_cross_entropy(all, shape, smooth, reduction);
        if (s.ignored == -100) {
          add_probabilities(all, shape, s, reduction);
          add_probabilities(all, shape, smooth, reduction);
        }
      }
    }
    for (const Shape& shape : {Shape{"no_rows", {0, 3}}, Shape{"no_pixels", {2, 3, 0}}}) {
      add_nll(all, shape, {}, reduction);
      add_cross_entropy(all, shape, {}, reduction);
    }
  }
  return all;
}

}  // namespace backflow::test
