// Losses that want scores apart by a margin.
#include <algorithm>
#include <cmath>

#include <backflow/tests/support/loss_references.h>

namespace backflow::test {
namespace {

/// Truth values as 1 and -1, in the dtype of x.
Tensor signs(const Tensor& mask, const Tensor& x) { return to(mask, x.scalar_type()) * 2 - 1; }
const char* const kSigns = "(x[1].to(x[0].dtype) * 2 - 1)";

void add_signed(Samples& all) {
  for (const std::int64_t reduction : kReductions) {
    for (const Index& sizes : std::vector<Index>{{3, 4}, {17}, {}, {0}}) {
      const std::string label = "reduction" + std::to_string(reduction) + "_" + std::to_string(sizes.size()) + "d" +
                                (sizes == Index{0} ? "_empty" : "");
      const std::vector<Operand> operands = {{sizes}, {sizes, -1, 1, Layout::Contiguous, Of::Mask}};
      const std::string end = to_text("reduction=", python_name(reduction), ")");
      all.push_back({.op = "soft_margin_loss",
                     .label = label,
                     .operands = operands,
                     .call = [=](const Tensors& x) { return soft_margin_loss(x[0], signs(x[1], x[0]), reduction); },
                     .reference =
                         [=](const Arrays& x) {
                           return reduced(
                               map(x[0], x[1], [](double a, double t) { return std::log1p(std::exp(a - 2 * a * t)); }),
                               reduction);
                         },
                     .tolerance = 4,
                     .torch = to_text("torch.nn.functional.soft_margin_loss(x[0], ", kSigns, ", ", end)});
      for (const double margin : {1.0, 0.375}) {
        all.push_back(
            {.op = "hinge_embedding_loss",
             .label = label + to_text("_margin", margin),
             .operands = operands,
             .call = [=](const Tensors& x) { return hinge_embedding_loss(x[0], signs(x[1], x[0]), margin, reduction); },
             .reference =
                 [=](const Arrays& x) {
                   return reduced(
                       map(x[0], x[1], [&](double a, double t) { return t > 0 ? a : std::max(margin - a, 0.0); }),
                       reduction);
                 },
             .torch =
                 to_text("torch.nn.functional.hinge_embedding_loss(x[0], ", kSigns, ", margin=", margin, ", ", end)});
      }
    }
    all.push_back({.op = "soft_margin_loss",
                   .label = to_text("target_reduction", reduction),
                   .operands = {{{3, 5}}, {{3, 5}, -2, 2, Layout::Transposed}},
                   .call = [=](const Tensors& x) { return soft_margin_loss(x[0], x[1], reduction); },
                   .reference =
                       [=](const Arrays& x) {
                         return reduced(
                             map(x[0], x[1], [](double a, double t) { return std::log1p(std::exp(-a * t)); }),
                             reduction);
                       },
                   .tolerance = 4,
                   // PyTorch's own has no gradient for the target.
                   .torch = to_text("(lambda y: ",
                                    reduction == Reduction::None   ? "y"
                                    : reduction == Reduction::Mean ? "y.mean()"
                                                                   : "y.sum()",
                                    ")(torch.nn.functional.softplus(-x[0] * x[1], threshold=50))")});
    for (const double margin : {0.0, 0.5}) {
      all.push_back(
          {.op = "margin_ranking_loss",
           .label = to_text("margin", margin, "_reduction", reduction),
           .operands = {{{3, 5}}, {{5}}, {{3, 1}}},
           .call = [=](const Tensors& x) { return margin_ranking_loss(x[0], x[1], x[2], margin, reduction); },
           .reference =
               [=](const Arrays& x) {
                 const Array difference = map(x[0], x[1], [](double a, double b) { return a - b; });
                 return reduced(
                     map(difference, x[2], [&](double d, double t) { return std::max(margin - t * d, 0.0); }),
                     reduction);
               },
           .torch = to_text("torch.ops.aten.margin_ranking_loss(x[0], x[1], x[2], ", margin, ", ", reduction, ")")});
    }
  }
}

double multi_margin_of(const double* x, std::int64_t classes, std::int64_t t, double p, double margin, double weight) {
  double total = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    total += c == t ? 0 : weight * std::pow(std::max(margin - x[t] + x[c], 0.0), p);
  }
  return total / static_cast<double>(classes);
}

void add_multi_margin(Samples& all, const Index& sizes, double p, double margin, bool weighted,
                      std::int64_t reduction) {
  const std::int64_t classes = sizes.back();
  const Index rows(sizes.begin(), sizes.end() - 1);
  std::vector<double> weights(static_cast<std::size_t>(classes), 1);
  for (std::size_t c = 0; weighted && c < weights.size(); ++c) {
    weights[c] = 0.5 * static_cast<double>(c + 1);
  }
  all.push_back(
      {.op = "multi_margin_loss",
       .label = to_text(sizes.size(), "d_", classes, "_p", p, weighted ? "_weighted" : "", "_reduction", reduction),
       .operands = {{sizes}, {rows, 0, static_cast<double>(classes), Layout::Contiguous, Of::Integer}},
       .call =
           [=](const Tensors& x) {
             return multi_margin_loss(x[0], x[1], p, margin, weighted ? constants(weights, x[0]) : Tensor(), reduction);
           },
       .reference =
           [=](const Arrays& x) {
             Array losses = array_of(rows);
             for (std::size_t i = 0; i < losses.data.size(); ++i) {
               const auto t = static_cast<std::int64_t>(x[1].data[i]);
               losses.data[i] = multi_margin_of(x[0].data.data() + static_cast<std::int64_t>(i) * classes, classes, t,
                                                p, margin, weights[static_cast<std::size_t>(t)]);
             }
             return reduced(losses, reduction);
           },
       .torch = to_text("torch.nn.functional.multi_margin_loss(x[0], x[1], p=", static_cast<int>(p),
                        ", margin=", margin, ", weight=", weighted ? python_constants(weights) : "None",
                        ", reduction=", python_name(reduction), ")")});
}

Array multilabel_margin_of(const Array& x, const Array& target) {
  const std::int64_t classes = x.sizes.back();
  Array losses = array_of(Index(x.sizes.begin(), x.sizes.end() - 1));
  for (std::size_t i = 0; i < losses.data.size(); ++i) {
    const double* const row = x.data.data() + static_cast<std::int64_t>(i) * classes;
    const double* const labels = target.data.data() + static_cast<std::int64_t>(i) * classes;
    const double* const end = std::find(labels, labels + classes, -1.0);
    for (const double* t = labels; t != end; ++t) {
      for (std::int64_t c = 0; c < classes; ++c) {
        if (std::find(labels, end, static_cast<double>(c)) == end) {
          losses.data[i] +=
              std::max(1 - row[static_cast<std::int64_t>(*t)] + row[c], 0.0) / static_cast<double>(classes);
        }
      }
    }
  }
  return losses;
}

void add_labels(Samples& all) {
  for (const std::int64_t reduction : kReductions) {
    for (const Index& sizes : std::vector<Index>{{3, 5}, {4}, {6, 1}}) {
      const auto classes = static_cast<double>(sizes.back());
      all.push_back({.op = "multilabel_margin_loss",
                     .label = to_text(sizes.size(), "d_", classes, "_reduction", reduction),
                     .operands = {{sizes}, {sizes, -1, classes, Layout::Contiguous, Of::Integer}},
                     .call = [=](const Tensors& x) { return multilabel_margin_loss(x[0], x[1], reduction); },
                     .reference = [=](const Arrays& x) { return reduced(multilabel_margin_of(x[0], x[1]), reduction); },
                     .torch = to_text("torch.nn.functional.multilabel_margin_loss(x[0], x[1], reduction=",
                                      python_name(reduction), ")")});
    }
    for (const bool weighted : {false, true}) {
      const std::vector<double> weights = {0.5, 2, 1.5};
      const auto f = [=](const Arrays& x) {
        Array losses = array_of({4});
        for_each_index({4, 3}, [&](const Index& i) {
          const double a = x[0].at(i);
          const double t = x[1].at(i);
          const double w = weighted ? weights[static_cast<std::size_t>(i[1])] : 1;
          losses.at({i[0]}) += w * (std::log1p(std::exp(-a)) + (1 - t) * a) / 3;
        });
        return reduced(losses, reduction);
      };
      all.push_back({.op = "multilabel_soft_margin_loss",
                     .label = to_text(weighted ? "weighted_" : "", "reduction", reduction),
                     .operands = {{{4, 3}}, {{4, 3}, 0, 1}},
                     .call =
                         [=](const Tensors& x) {
                           return multilabel_soft_margin_loss(
                               x[0], x[1], weighted ? constants(weights, x[0]) : Tensor(), reduction);
                         },
                     .reference = f,
                     .tolerance = 4,
                     .torch = to_text("torch.nn.functional.multilabel_soft_margin_loss(x[0], x[1], weight=",
                                      weighted ? python_constants(weights) : "None",
                                      ", reduction=", python_name(reduction), ")")});
    }
  }
}

}  // namespace

Samples margin_loss_samples() {
  Samples all;
  add_signed(all);
  for (const std::int64_t reduction : kReductions) {
    for (const double p : {1.0, 2.0}) {
      for (const bool weighted : {false, true}) {
        add_multi_margin(all, {4, 3}, p, 1, weighted, reduction);
        add_multi_margin(all, {5}, p, 0.5, weighted, reduction);
        add_multi_margin(all, {3, 1}, p, 1, weighted, reduction);
      }
    }
  }
  add_labels(all);
  return all;
}

}  // namespace backflow::test
