// Normalizations of channels: of a batch, of samples, and of groups of channels.
#include <algorithm>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>
#include <backflow/tests/support/normalized.h>

namespace backflow::test {
namespace {

struct Case {
  const char* label;
  Index sizes;
  Affine affine = Affine::Both;
  double eps = 1e-5;
  Layout layout = Layout::Contiguous;

  Operand x() const { return {sizes, -2, 2, layout}; }
  std::vector<Operand> operands() const { return norm_operands(x(), affine, {sizes[1]}); }
  bool is_empty() const { return std::find(sizes.begin(), sizes.end(), 0) != sizes.end(); }
  std::string number() const { return eps == 1e-5 ? "1e-05" : "0.125"; }
};

const std::vector<Case>& cases() {
  // A larger eps where a channel may have little variance.
  static const std::vector<Case> kCases = {
      {"matrix", {5, 3}},
      {"matrix_without_parameters", {7, 2}, Affine::None},
      {"sequence", {3, 5, 3}, Affine::Weight},
      {"image", {2, 3, 3, 3}},
      {"image_with_bias_alone", {2, 3, 2, 4}, Affine::Bias},
      {"volume", {2, 2, 2, 2, 2}},
      {"one_channel", {3, 1, 2, 3}},
      {"one_sample", {1, 5, 3, 3}},
      {"one_position", {4, 5, 1, 1}, Affine::Both, 0.125},
      {"17_channels", {2, 17, 3}, Affine::Both, 0.125},
      {"24_channels", {2, 24, 1, 2}, Affine::Both, 0.125},
      {"40_channels", {2, 40, 2}, Affine::Weight, 0.125},
      {"long", {2, 2, 37}, Affine::Both},
      {"no_samples", {0, 3, 2}},
      {"no_positions", {2, 3, 0}, Affine::None},
      {"transposed", {3, 4, 3}, Affine::Both, 0.125, Layout::Transposed},
      {"strided", {3, 3, 2, 2}, Affine::Both, 0.125, Layout::Strided},
      {"expanded", {3, 2, 3}, Affine::Both, 0.125, Layout::Expanded},
  };
  return kCases;
}

/// Running statistics that every dtype holds exactly.
Tensor running_mean(const Tensor& x) { return arange(x.size(1)).to(x.scalar_type()) * 0.25 - 1; }
Tensor running_var(const Tensor& x) { return arange(x.size(1)).to(x.scalar_type()) * 0.5 + 0.5; }
const char* const kRunning =
    "torch.arange(x[0].shape[1], dtype=x[0].dtype) * 0.25 - 1, torch.arange(x[0].shape[1], dtype=x[0].dtype) * 0.5 + "
    "0.5";
std::pair<double, double> running(const std::vector<double>&, std::int64_t channel) {
  const auto c = static_cast<double>(channel);
  return {c * 0.25 - 1, c * 0.5 + 0.5};
}

Sample tolerant(Sample s) {
  s.tolerance = 8;
  return s;
}

void add_training(Samples& all, const Case& c) {
  const auto reference = [c](const Arrays& x) {
    return normalized(x, c.affine, channel_sets(), c.eps, mean_and_variance);
  };
  const std::string arguments = "(x[0], " + python(c.affine) + ", None, None, True, 0.1, " + c.number();
  const std::string torch = "torch.batch_norm" + arguments + ", True)";
  all.push_back(tolerant(with_gradient(
      "batch_norm", c.label, c.operands(),
      [c](const Tensors& x) {
        return batch_norm(x[0], weight_of(x, c.affine), bias_of(x, c.affine), {}, {}, true, 0.1, c.eps, true);
      },
      reference, torch)));
  all.push_back(tolerant(with_gradient(
      "native_batch_norm", c.label, c.operands(),
      [c](const Tensors& x) {
        return std::get<0>(native_batch_norm(x[0], weight_of(x, c.affine), bias_of(x, c.affine),
                                             running_mean(x[0].detach()), running_var(x[0].detach()), true, 0.1,
                                             c.eps));
      },
      // PyTorch's dies of a division by zero where there are no elements.
      reference, c.is_empty() ? torch : "torch.native_batch_norm" + arguments + ")[0]")));
}

void add_evaluation(Samples& all, const Case& c) {
  all.push_back(tolerant(with_gradient(
      "batch_norm", std::string("evaluation_") + c.label, c.operands(),
      [c](const Tensors& x) {
        return batch_norm(x[0], weight_of(x, c.affine), bias_of(x, c.affine), running_mean(x[0].detach()),
                          running_var(x[0].detach()), false, 0.1, c.eps, true);
      },
      [c](const Arrays& x) { return normalized(x, c.affine, channel_sets(), c.eps, running); },
      "torch.batch_norm(x[0], " + python(c.affine) + ", " + kRunning + ", False, 0.1, " + c.number() + ", True)")));
}

/// relu(batch_norm(...) + residual), the residual next to last, in front of the bias.
void add_relu(Samples& all, const Case& c, bool training, bool adds) {
  std::vector<Operand> operands = c.operands();
  const std::size_t at = c.affine == Affine::Both || c.affine == Affine::Weight ? 2 : 1;
  if (adds) {
    operands.insert(operands.begin() + static_cast<std::ptrdiff_t>(at), c.x());
  }
  const auto reference = [c, training, adds, at](const Arrays& x) {
    const Array z = normalized(x, c.affine, channel_sets(), c.eps, training ? mean_and_variance : running);
    return map(z, adds ? x[at] : map(z, [](double) { return 0.0; }),
               [](double a, double b) { return std::max(a + b, 0.0); });
  };
  const std::string torch =
      to_text("torch.relu(torch.batch_norm(x[0], ", python(c.affine), ", ", training ? "None, None" : kRunning, ", ",
              python(training), ", 0.1, ", c.number(), ", True)", adds ? to_text(" + x[", at, "]") : "", ")");
  const auto add = [&](const char* name, auto function) {
    all.push_back(tolerant(with_gradient(
        name, to_text(training ? "" : "evaluation_", c.label, adds ? "_residual" : ""), operands,
        [c, training, adds, at, function](const Tensors& x) {
          return function(x[0], weight_of(x, c.affine), bias_of(x, c.affine),
                          training ? Tensor() : running_mean(x[0].detach()),
                          training ? Tensor() : running_var(x[0].detach()), adds ? x[at] : Tensor(), training, c.eps);
        },
        reference, torch)));
  };
  add("batch_norm_relu", [](const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& mean,
                            const Tensor& variance, const Tensor& residual, bool trains, double eps) {
    return batch_norm_relu(x, w, b, mean, variance, residual, trains, 0.1, eps);
  });
  if (training) {
    add("native_batch_norm_relu", [](const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& mean,
                                     const Tensor& variance, const Tensor& residual, bool trains, double eps) {
      return std::get<0>(native_batch_norm_relu(x, w, b, mean, variance, residual, trains, 0.1, eps));
    });
  }
}

void add_instance(Samples& all, const Case& c) {
  all.push_back(tolerant(with_gradient(
      "instance_norm", c.label, c.operands(),
      [c](const Tensors& x) {
        return instance_norm(x[0], weight_of(x, c.affine), bias_of(x, c.affine), {}, {}, true, 0.1, c.eps, true);
      },
      [c](const Arrays& x) {
        return normalized(x, c.affine, group_sets(x[0].sizes[1], x[0].sizes[1]), c.eps, mean_and_variance);
      },
      "torch.instance_norm(x[0], " + python(c.affine) + ", None, None, True, 0.1, " + c.number() + ", True)")));
}

void add_groups(Samples& all, const Case& c, std::int64_t groups) {
  const auto reference = [c, groups](const Arrays& x) {
    return normalized(x, c.affine, group_sets(x[0].sizes[1], groups), c.eps, mean_and_variance);
  };
  const std::string label = c.label + ("_in_" + std::to_string(groups));
  // PyTorch's does not take a bias without a weight.
  const std::string parameters = c.affine == Affine::Bias ? "torch.ones_like(x[1]), x[1]" : python(c.affine);
  const std::string torch = to_text("torch.group_norm(x[0], ", groups, ", ", parameters, ", ", c.number(), ")");
  all.push_back(tolerant(with_gradient(
      "group_norm", label, c.operands(),
      [c, groups](const Tensors& x) {
        return group_norm(x[0], groups, weight_of(x, c.affine), bias_of(x, c.affine), c.eps);
      },
      reference, torch)));
  all.push_back(tolerant(with_gradient(
      "native_group_norm", label, c.operands(),
      [c, groups](const Tensors& x) {
        const std::int64_t n = c.sizes[0];
        const std::int64_t channels = c.sizes[1];
        const std::int64_t positions = n == 0 ? c.sizes[2] : x[0].numel() / (n * channels);
        return std::get<0>(native_group_norm(x[0], weight_of(x, c.affine), bias_of(x, c.affine), n, channels, positions,
                                             groups, c.eps));
      },
      reference, torch)));
}

}  // namespace

Samples batch_norm_samples() {
  Samples all;
  for (const Case& c : cases()) {
    add_training(all, c);
    add_evaluation(all, c);
    for (const bool training : {true, false}) {
      add_relu(all, c, training, false);
      add_relu(all, c, training, true);
    }
    if (c.sizes.size() > 2 && c.sizes.back() != 1 && c.sizes[0] > 0) {  // PyTorch has no instances of no samples
      add_instance(all, c);
    }
    Case in_groups = c;
    in_groups.eps = c.sizes.size() == 2 ? 0.125 : c.eps;  // few numbers, which may have little variance
    add_groups(all, in_groups, 1);
    if (c.sizes[1] % 4 == 0) {
      add_groups(all, in_groups, 4);
    }
  }
  Case many_positions = cases().front();
  many_positions.label = "many_positions";
  many_positions.sizes = {2, 6, 9, 8};
  add_groups(all, many_positions, 2);
  return all;
}

}  // namespace backflow::test
