// Normalizations of the last dimensions.
#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>
#include <backflow/tests/support/normalized.h>

namespace backflow::test {
namespace {

struct Case {
  const char* label;
  Index sizes;
  std::size_t first;  ///< of the normalized dimensions
  Affine affine = Affine::Both;
  Layout layout = Layout::Contiguous;

  Index shape() const { return {sizes.begin() + static_cast<std::ptrdiff_t>(first), sizes.end()}; }
  std::vector<Operand> operands(Affine own) const { return norm_operands({sizes, -2, 2, layout}, own, shape()); }
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"rows", {4, 5}, 1},
      {"vector", {21}, 0},
      {"plain", {3, 7}, 1, Affine::None},
      {"weight", {2, 3, 5}, 2, Affine::Weight},
      {"bias", {2, 3, 5}, 2, Affine::Bias},
      {"two_dimensions", {3, 2, 4}, 1},
      {"all_dimensions", {2, 3, 4}, 0},
      {"17", {3, 17}, 1},
      {"24", {2, 24}, 1},
      {"40", {2, 40}, 1},
      {"many_rows", {70, 2}, 1},
      {"one_number", {3, 1}, 1},
      {"no_rows", {0, 3}, 1},
      {"empty_rows", {3, 0}, 1},
      {"transposed", {3, 4, 3}, 2, Affine::Both, Layout::Transposed},
      {"strided", {3, 6}, 1, Affine::Both, Layout::Strided},
      {"expanded", {3, 6}, 1, Affine::Both, Layout::Expanded},
  };
  return kCases;
}

Sample tolerant(Sample s) {
  s.tolerance = 8;
  return s;
}

void add_layer_norm(Samples& all, const Case& c) {
  const auto reference = [c](const Arrays& x) {
    return normalized(x, c.affine, row_sets(x[0].sizes, c.first), 0.125, mean_and_variance);
  };
  const std::string arguments = "(x[0], " + python(c.shape()) + ", " + python(c.affine) + ", 0.125)";
  all.push_back(tolerant(with_gradient(
      "layer_norm", c.label, c.operands(c.affine),
      [c](const Tensors& x) {
        return layer_norm(x[0], c.shape(), weight_of(x, c.affine), bias_of(x, c.affine), 0.125);
      },
      reference, "torch.layer_norm" + arguments)));
  all.push_back(tolerant(with_gradient(
      "native_layer_norm", c.label, c.operands(c.affine),
      [c](const Tensors& x) {
        return std::get<0>(native_layer_norm(x[0], c.shape(), weight_of(x, c.affine), bias_of(x, c.affine), 0.125));
      },
      reference, "torch.native_layer_norm" + arguments + "[0]")));
}

void add_rms_norm(Samples& all, const Case& c) {
  const Affine affine = c.affine == Affine::Both || c.affine == Affine::Weight ? Affine::Weight : Affine::None;
  const auto reference = [c, affine](const Arrays& x) {
    return normalized(x, affine, row_sets(x[0].sizes, c.first), 0.125, mean_square);
  };
  std::string dims;
  for (std::size_t d = c.first; d < c.sizes.size(); ++d) {
    dims += std::to_string(d) + ", ";
  }
  const std::string torch = "x[0] * torch.rsqrt((x[0] * x[0]).mean((" + dims + "), keepdim=True) + 0.125)" +
                            (affine == Affine::Weight ? " * x[1]" : "");
  all.push_back(tolerant(with_gradient(
      "rms_norm", c.label, c.operands(affine),
      [c, affine](const Tensors& x) { return rms_norm(x[0], c.shape(), weight_of(x, affine), 0.125); }, reference,
      torch)));
  all.push_back(tolerant(with_gradient(
      "_fused_rms_norm", c.label, c.operands(affine),
      [c, affine](const Tensors& x) {
        return std::get<0>(_fused_rms_norm(x[0], c.shape(), weight_of(x, affine), 0.125));
      },
      reference, torch)));
}

}  // namespace

Samples layer_norm_samples() {
  Samples all;
  for (const Case& c : cases()) {
    add_layer_norm(all, c);
    add_rms_norm(all, c);
  }
  return all;
}

}  // namespace backflow::test
