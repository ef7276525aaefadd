// Losses of an input and a target of one shape.
#include <cmath>

#include <backflow/tests/support/loss_references.h>

namespace backflow::test {
namespace {

/// The loss of one element, and the loss as it is called here and in Python (with "%" for the reduction).
struct PairLoss {
  std::string op;
  std::string label;
  std::function<Tensor(const Tensor&, const Tensor&, std::int64_t)> call;
  std::function<double(double, double)> f;
  std::string torch;
  std::vector<double> weights = {};  ///< that f is multiplied by, along the last dimension of 4
  double low = -2;                   ///< of the input
  double high = 2;
  double target_low = -2;
  double target_high = 2;
};

struct Shape {
  const char* label;
  Index sizes;
  Layout layout = Layout::Contiguous;
};

void add(Samples& all, const PairLoss& loss, const Shape& shape, std::int64_t reduction) {
  std::string torch = loss.torch;
  torch.replace(torch.find('%'), 1, python_name(reduction));
  all.push_back(
      {.op = loss.op,
       .label = loss.label + shape.label + "_reduction" + std::to_string(reduction),
       .operands = {{shape.sizes, loss.low, loss.high}, {shape.sizes, loss.target_low, loss.target_high, shape.layout}},
       .call = [=](const Tensors& x) { return loss.call(x[0], x[1], reduction); },
       .reference =
           [=](const Arrays& x) {
             Array losses = map(x[0], x[1], loss.f);
             for (std::size_t i = 0; i < losses.data.size() && !loss.weights.empty(); ++i) {
               losses.data[i] *= loss.weights[i % loss.weights.size()];
             }
             return reduced(losses, reduction);
           },
       .tolerance = 4,
       .torch = torch});
}

void add(Samples& all, const PairLoss& loss) {
  for (const std::int64_t reduction : kReductions) {
    for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
      add(all, loss, {name(layout), {3, 4}, layout}, reduction);
    }
  }
  if (!loss.weights.empty()) {
    return;
  }
  add(all, loss, {"blocks", {17, 40}}, Reduction::Mean);
  add(all, loss, {"blocks_strided", {40, 17}, Layout::Strided}, Reduction::Sum);
  add(all, loss, {"odd", {5, 1, 3}}, Reduction::Mean);
  for (const std::int64_t reduction : kReductions) {
    add(all, loss, {"one", {1}}, reduction);
    add(all, loss, {"scalar", {}}, reduction);
    add(all, loss, {"empty", {3, 0}}, reduction);
  }
}

void add_differences(Samples& all) {
  add(all, {.op = "mse_loss",
            .label = "",
            .call = [](const Tensor& x, const Tensor& t, std::int64_t r) { return mse_loss(x, t, r); },
            .f = [](double x, double t) { return (x - t) * (x - t); },
            .torch = "torch.nn.functional.mse_loss(x[0], x[1], reduction=%)"});
  add(all, {.op = "l1_loss",
            .label = "",
            .call = [](const Tensor& x, const Tensor& t, std::int64_t r) { return l1_loss(x, t, r); },
            .f = [](double x, double t) { return std::abs(x - t); },
            .torch = "torch.nn.functional.l1_loss(x[0], x[1], reduction=%)"});
  for (const double beta : {1.0, 0.625, 0.0}) {
    add(all, {.op = "smooth_l1_loss",
              .label = to_text("beta", beta, "_"),
              .call = [=](const Tensor& x, const Tensor& t, std::int64_t r) { return smooth_l1_loss(x, t, r, beta); },
              .f =
                  [=](double x, double t) {
                    const double size = std::abs(x - t);
                    return size < beta ? size * size / (2 * beta) : size - beta / 2;
                  },
              .torch = to_text("torch.nn.functional.smooth_l1_loss(x[0], x[1], reduction=%, beta=", beta, ")")});
  }
  for (const double delta : {1.0, 0.375}) {
    add(all, {.op = "huber_loss",
              .label = to_text("delta", delta, "_"),
              .call = [=](const Tensor& x, const Tensor& t, std::int64_t r) { return huber_loss(x, t, r, delta); },
              .f =
                  [=](double x, double t) {
                    const double size = std::abs(x - t);
                    return size <= delta ? size * size / 2 : delta * (size - delta / 2);
                  },
              .torch = to_text("torch.nn.functional.huber_loss(x[0], x[1], reduction=%, delta=", delta, ")")});
  }
}

const std::vector<double> kWeights = {0.5, 2, 0.25, 1.5};

void add_probabilities(Samples& all) {
  const auto f = [](double x, double t) { return -t * std::log(x) - (1 - t) * std::log(1 - x); };
  const PairLoss plain{
      .op = "binary_cross_entropy",
      .label = "",
      .call = [](const Tensor& x, const Tensor& t, std::int64_t r) { return binary_cross_entropy(x, t, {}, r); },
      .f = f,
      .torch = "torch.nn.functional.binary_cross_entropy(x[0], x[1], reduction=%)",
      .low = 0.1,
      .high = 0.9,
      .target_low = 0,
      .target_high = 1};
  add(all, plain);
  PairLoss weighted = plain;
  weighted.label = "weighted_";
  weighted.weights = kWeights;
  weighted.call = [](const Tensor& x, const Tensor& t, std::int64_t r) {
    return binary_cross_entropy(x, t, constants(kWeights, x), r);
  };
  weighted.torch =
      to_text("torch.nn.functional.binary_cross_entropy(x[0], x[1], ", python_constants(kWeights), ", reduction=%)");
  add(all, weighted);
}

void add_logits(Samples& all) {
  const std::vector<double> kNone;
  for (const std::vector<double>& weights : {kNone, kWeights}) {
    for (const double positive : {0.0, 2.5}) {
      const auto call = [=](const Tensor& x, const Tensor& t, std::int64_t r) {
        const Tensor weight = weights.empty() ? Tensor() : constants(weights, x);
        const Tensor pos_weight = positive == 0 ? Tensor() : reshape(constants({positive}, x), {});
        return binary_cross_entropy_with_logits(x, t, weight, pos_weight, r);
      };
      add(all,
          {.op = "binary_cross_entropy_with_logits",
           .label = to_text(weights.empty() ? "" : "weighted_", positive == 0 ? "" : "positive_"),
           .call = call,
           .f =
               [=](double x, double t) {
                 const double p = positive == 0 ? 1 : positive;
                 return p * t * std::log1p(std::exp(-x)) + (1 - t) * (x + std::log1p(std::exp(-x)));
               },
           .torch = to_text("torch.nn.functional.binary_cross_entropy_with_logits(x[0], x[1], reduction=%, weight=",
                            weights.empty() ? "None" : python_constants(weights),
                            ", pos_weight=", positive == 0 ? "None" : to_text("x[0].new_tensor(", positive, ")"), ")"),
           .weights = weights,
           .low = -6,
           .high = 6,
           .target_low = 0,
           .target_high = 1});
    }
  }
}

void add_divergences(Samples& all) {
  add(all, {.op = "kl_div",
            .label = "",
            .call = [](const Tensor& x, const Tensor& t, std::int64_t r) { return kl_div(x, t, r); },
            .f = [](double x, double t) { return t * (std::log(t) - x); },
            .torch = "torch.nn.functional.kl_div(x[0], x[1], reduction=%)",
            .low = -3,
            .high = 0,
            .target_low = 0.1,
            .target_high = 1});
  add(all, {.op = "kl_div",
            .label = "log_target_",
            .call = [](const Tensor& x, const Tensor& t, std::int64_t r) { return kl_div(x, t, r, true); },
            .f = [](double x, double t) { return std::exp(t) * (t - x); },
            .torch = "torch.nn.functional.kl_div(x[0], x[1], reduction=%, log_target=True)",
            .low = -3,
            .high = 0,
            .target_low = -3,
            .target_high = 0});
}

void add_counts(Samples& all) {
  for (const bool log_input : {true, false}) {
    for (const bool is_full : {false, true}) {
      const double eps = 1e-8;
      const auto f = [=](double x, double t) {
        const double loss = log_input ? std::exp(x) - t * x : x - t * std::log(x + eps);
        const double stirling = t * std::log(t) - t + std::log(t * 6.283185307179586) / 2;
        return loss + (is_full && t > 1 ? stirling : 0);
      };
      add(all, {.op = "poisson_nll_loss",
                .label = to_text(log_input ? "log_" : "", is_full ? "full_" : ""),
                .call = [=](const Tensor& x, const Tensor& t,
                            std::int64_t r) { return poisson_nll_loss(x, t, log_input, is_full, eps, r); },
                .f = f,
                .torch = to_text("torch.nn.functional.poisson_nll_loss(x[0], x[1], log_input=", python(log_input),
                                 ", full=", python(is_full), ", reduction=%)"),
                .low = 0.2,
                .high = 3,
                .target_low = 0.3,
                .target_high = 4});
    }
  }
}

}  // namespace

Samples pair_loss_samples() {
  Samples all;
  add_differences(all);
  add_probabilities(all);
  add_logits(all);
  add_divergences(all);
  add_counts(all);
  return all;
}

}  // namespace backflow::test
