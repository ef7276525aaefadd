// Einstein's summation: products and sums named by the labels of dimensions.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/products/products_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// Labels of dimensions: letters, and for those that an ellipsis stands for numbers from kEllipsis on, of which the
/// last dimension has the largest.
using Labels = std::vector<int>;
constexpr int kEllipsis = 256;
constexpr int kEllipsisEnd = kEllipsis + static_cast<int>(kMaxDims);
constexpr int kDots = -1;  // an ellipsis whose dimensions are not known yet

bool contains(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

std::string label_name(int label) {
  return label >= kEllipsis ? "..." : std::string("'") + static_cast<char>(label) + "'";
}

/// The labels in one term of an equation.
Labels parse_term(std::string_view equation, std::string_view term) {
  Labels labels;
  for (std::size_t i = 0; i < term.size(); ++i) {
    const char c = term[i];
    if (c == ' ') {
      continue;
    }
    if (c == '.') {
      check(term.substr(i, 3) == "...", "einsum: '.' in '", equation, "': need an ellipsis of three");
      check(!contains(labels, kDots), "einsum: two ellipses in one term of '", equation, "': need at most one");
      labels.push_back(kDots);
      i += 2;
      continue;
    }
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    check(is_letter, "einsum: label '", c, "' in '", equation, "': need letters");
    labels.push_back(c);
  }
  return labels;
}

/// The terms of an equation, and what is after its arrow.
struct Equation {
  std::vector<Labels> operands;
  Labels output;
  bool has_output = false;
};

Equation parse(std::string_view text) {
  Equation equation;
  const std::size_t arrow = text.find("->");
  equation.has_output = arrow != std::string_view::npos;
  std::string_view left = text.substr(0, arrow);
  while (true) {
    const std::size_t comma = left.find(',');
    equation.operands.push_back(parse_term(text, left.substr(0, comma)));
    if (comma == std::string_view::npos) {
      break;
    }
    left.remove_prefix(comma + 1);
  }
  if (equation.has_output) {
    equation.output = parse_term(text, text.substr(arrow + 2));
  }
  return equation;
}

/// Puts labels of their own in the place of an ellipsis, which stands for `count` dimensions.
Labels spread_ellipsis(const Labels& labels, std::size_t count) {
  Labels result;
  for (const int label : labels) {
    if (label != kDots) {
      result.push_back(label);
      continue;
    }
    for (std::size_t d = 0; d < count; ++d) {
      result.push_back(kEllipsisEnd - static_cast<int>(count - d));
    }
  }
  return result;
}

/// A tensor whose dimensions have labels, each another one.
struct Labelled {
  Tensor x;
  Labels labels;

  std::int64_t size(int label) const {
    const auto at = std::find(labels.begin(), labels.end(), label);
    return at == labels.end() ? 1 : x.size(at - labels.begin());
  }
  /// Its dimensions in this order; those that it has not are new ones of size 1.
  Tensor in_order(const Labels& order) const {
    DimVector dims;
    DimVector sizes;
    for (const int label : order) {
      const auto at = std::find(labels.begin(), labels.end(), label);
      if (at != labels.end()) {
        dims.push_back(at - labels.begin());
      }
      sizes.push_back(size(label));
    }
    bool in_place = true;
    for (std::size_t d = 0; d < dims.size(); ++d) {
      in_place = in_place && dims[d] == static_cast<std::int64_t>(d);
    }
    const Tensor y = in_place ? x : permute(x, dims);
    return y.sizes() == IntArrayRef(sizes) ? y : reshape(y, sizes);
  }
  /// Sums over these labels; the dtype stays when it has to.
  void sum_over(const Labels& which, std::optional<ScalarType> dtype = std::nullopt) {
    DimVector dims;
    Labels kept;
    for (std::size_t d = 0; d < labels.size(); ++d) {
      if (contains(which, labels[d])) {
        dims.push_back(static_cast<std::int64_t>(d));
      } else {
        kept.push_back(labels[d]);
      }
    }
    if (!dims.empty()) {
      x = sum(x, dims);
      x = dtype ? to(x, *dtype) : x;
      labels = kept;
    }
  }
};

/// Operand number i with its labels; of those that are repeated, the diagonal.
Labelled labelled(std::string_view equation, const Tensor& x, Labels labels, std::size_t i) {
  const bool has_ellipsis = contains(labels, kDots);
  const std::size_t named = labels.size() - (has_ellipsis ? 1 : 0);
  const std::size_t rank = x.sizes().size();
  check(has_ellipsis ? named <= rank : named == rank, "einsum: ", named, " labels for operand ", i, ", ", describe(x),
        ", in '", equation, "': need one for each dimension", has_ellipsis ? "" : ", or an ellipsis");
  Labelled result{x, spread_ellipsis(labels, rank - named)};
  for (std::size_t d = 0; d < result.labels.size(); ++d) {
    const int name = result.labels[d];
    const auto again = std::find(result.labels.begin() + static_cast<std::ptrdiff_t>(d) + 1, result.labels.end(), name);
    if (again == result.labels.end()) {
      continue;
    }
    const std::int64_t other = again - result.labels.begin();
    const auto first = static_cast<std::int64_t>(d);
    check(result.x.size(first) == result.x.size(other), "einsum: label ", label_name(name), " of operand ", i, ", ",
          describe(x), ", in '", equation, "' has sizes ", result.x.size(first), " and ", result.x.size(other),
          ": need equal ones");
    result.x = diagonal(result.x, 0, first, other);  // its dimension is the last
    result.labels.erase(again);
    result.labels.erase(result.labels.begin() + first);
    result.labels.push_back(name);
    --d;
  }
  return result;
}

/// What is after the arrow: as written, or the ellipsis and, in the order of letters, the labels that occur once.
Labels output_labels(std::string_view text, const Equation& equation, const std::vector<Labelled>& operands) {
  std::array<int, kEllipsisEnd> count = {};
  std::size_t ellipsis = 0;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    for (const int label : equation.operands[i]) {
      count[static_cast<std::size_t>(std::max(label, 0))] += label != kDots;
    }
    const auto is_of_ellipsis = [](int label) { return label >= kEllipsis; };
    ellipsis = std::max<std::size_t>(
        ellipsis,
        static_cast<std::size_t>(std::count_if(operands[i].labels.begin(), operands[i].labels.end(), is_of_ellipsis)));
  }
  Labels output = equation.output;
  if (!equation.has_output) {
    output = {kDots};
    for (int label = 0; label < kEllipsis; ++label) {
      if (count[static_cast<std::size_t>(label)] == 1) {
        output.push_back(label);
      }
    }
  }
  for (std::size_t d = 0; d < output.size(); ++d) {
    if (output[d] == kDots) {
      continue;
    }
    check(count[static_cast<std::size_t>(output[d])] > 0, "einsum: label ", label_name(output[d]),
          " in the result of '", text, "' is that of no operand: need one of theirs");
    check(std::find(output.begin(), output.begin() + static_cast<std::ptrdiff_t>(d), output[d]) ==
              output.begin() + static_cast<std::ptrdiff_t>(d),
          "einsum: label ", label_name(output[d]), " occurs twice in the result of '", text, "': need each once");
  }
  return spread_ellipsis(output, ellipsis);
}

/// Throws Error unless the sizes of each label are equal, or 1.
void check_sizes(std::string_view text, const std::vector<Labelled>& operands) {
  std::array<std::int64_t, kEllipsisEnd> sizes;
  sizes.fill(1);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    for (const int label : operands[i].labels) {
      std::int64_t& size = sizes[static_cast<std::size_t>(label)];
      const std::int64_t own = operands[i].size(label);
      check(own == size || own == 1 || size == 1, "einsum: label ", label_name(label), " of operand ", i, ", ",
            describe(operands[i].x), ", in '", text, "' has size ", own, ", in an operand before it ", size,
            ": need equal sizes, or 1");
      size = size == 1 ? own : size;
    }
  }
}

std::int64_t merged_size(const Labelled& operand, const Labels& labels) {
  std::int64_t size = 1;
  for (const int label : labels) {
    size *= operand.size(label);
  }
  return size;
}

Labels join(const Labels& a, const Labels& b, const Labels& c = {}) {
  Labels result = a;
  result.insert(result.end(), b.begin(), b.end());
  result.insert(result.end(), c.begin(), c.end());
  return result;
}

/// x [batch..., rows, columns] with batch dimensions of these sizes, in which its own of size 1 are repeated; many of
/// them become one.
Tensor as_batch(const Labelled& x, const Labels& batch, const DimVector& batch_sizes, const Labels& rows,
                const Labels& columns) {
  const std::int64_t m = merged_size(x, rows);
  const std::int64_t n = merged_size(x, columns);
  const Tensor ordered = x.in_order(join(batch, rows, columns));
  if (batch.size() + 2 > kMaxDims) {
    DimVector wanted(batch_sizes);
    for (std::size_t d = batch.size(); d < ordered.sizes().size(); ++d) {
      wanted.push_back(ordered.sizes()[d]);
    }
    return reshape(expand(ordered, wanted), {numel_of(batch_sizes), m, n});
  }
  DimVector sizes;
  for (const int label : batch) {
    sizes.push_back(x.size(label));
  }
  sizes.push_back(m);
  sizes.push_back(n);
  DimVector wanted(batch_sizes);
  wanted.push_back(m);
  wanted.push_back(n);
  const Tensor matrices = ordered.sizes() == IntArrayRef(sizes) ? ordered : reshape(ordered, sizes);
  return matrices.sizes() == IntArrayRef(wanted) ? matrices : expand(matrices, wanted);
}

/// The product of two operands, summed over the labels that are not `kept`.
Labelled contract(Labelled a, Labelled b, const Labels& kept) {
  Labels batch, rows, columns, inner, only_a, only_b;
  for (const int label : a.labels) {
    const bool shared = contains(b.labels, label);
    if (contains(kept, label)) {
      (shared ? batch : rows).push_back(label);
    } else if (shared && a.size(label) == b.size(label)) {
      inner.push_back(label);
    } else {
      only_a.push_back(label);  // summed here, and in b, where one of them has size 1
    }
  }
  for (const int label : b.labels) {
    if (!contains(a.labels, label) && contains(kept, label)) {
      columns.push_back(label);
    } else if (!contains(kept, label) && !contains(inner, label)) {
      only_b.push_back(label);
    }
  }
  const auto dtype_of = [&](const Labelled& operand) {
    return inner.empty() ? std::nullopt : std::optional(operand.x.scalar_type());
  };
  a.sum_over(only_a, dtype_of(a));
  b.sum_over(only_b, dtype_of(b));
  const Labels labels = join(batch, rows, columns);
  if (inner.empty()) {
    return {mul(a.in_order(labels), b.in_order(labels)), labels};
  }
  DimVector batch_sizes;
  for (const int label : batch) {
    batch_sizes.push_back(std::max(a.size(label), b.size(label)));
    if (a.size(label) == 0 || b.size(label) == 0) {
      batch_sizes.back() = 0;
    }
  }
  const Tensor left = as_batch(a, batch, batch_sizes, rows, inner);
  const Tensor right = as_batch(b, batch, batch_sizes, inner, columns);
  check_one_dtype("einsum", left, right);
  const Tensor y = batch.empty() ? mm(left, right) : batch_product(left, right);
  DimVector sizes(batch_sizes);
  for (const int label : rows) {
    sizes.push_back(a.size(label));
  }
  for (const int label : columns) {
    sizes.push_back(b.size(label));
  }
  return {y.sizes() == IntArrayRef(sizes) ? y : reshape(y, sizes), labels};
}

struct Einsum {
  static constexpr OperatorInfo info = {
      .signature = "einsum(str equation, Tensor[] tensors) -> Tensor",
      .formula = "y[output labels] = sum over the other labels of the product of x_i[labels of i]",
      .doc =
          "As PyTorch's: 'ij,jk->ik' is a matrix product. Each tensor has a term with a letter for each dimension; an "
          "ellipsis stands for any number of them. A repeated letter in a term takes the diagonal. Without an arrow, "
          "the result has the ellipsis and, in alphabetical order, the letters that occur once. Sizes of a letter are "
          "equal, or 1, which broadcasts. Tensors are multiplied from left to right.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(std::string_view text, TensorList tensors) {
    const Equation equation = parse(text);
    check(equation.operands.size() == tensors.size(), "einsum: ", tensors.size(), " tensors for the ",
          equation.operands.size(), " terms of '", text, "': need one for each");
    std::vector<Labelled> operands;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      check_one_dtype("einsum", tensors[i]);
      operands.push_back(labelled(text, tensors[i], equation.operands[i], i));
    }
    const Labels output = output_labels(text, equation, operands);
    check_sizes(text, operands);
    Labelled result = operands[0];
    for (std::size_t i = 1; i < operands.size(); ++i) {
      Labels kept = output;
      for (std::size_t later = i + 1; later < operands.size(); ++later) {
        kept = join(kept, operands[later].labels);
      }
      result = contract(std::move(result), std::move(operands[i]), kept);
    }
    Labels summed;
    for (const int label : result.labels) {
      if (!contains(output, label)) {
        summed.push_back(label);
      }
    }
    result.sum_over(summed);
    const Tensor y = result.in_order(output);
    return y.is_same(tensors[0]) ? view(y, y.sizes()) : y;
  }
};

struct Tensordot {
  static constexpr OperatorInfo info = {
      .signature = "tensordot(Tensor input, Tensor other, int[] dims_self, int[] dims_other) -> Tensor",
      .formula = "y[..., ...] = sum over the listed dimensions of x[...] w[...]",
      .doc =
          "Sum of products over dimensions dims_self[i] of x and dims_other[i] of w. The result has the other "
          "dimensions of x, then those of w. An Error for lists and sizes that differ, and for bool.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, IntArrayRef dims_self, IntArrayRef dims_other) {
    check(dims_self.size() == dims_other.size(), "tensordot: dimensions ", dims_self, " and ", dims_other,
          ": need equally many");
    check_one_dtype("tensordot", x, w);
    Labelled a{x, {}};
    Labelled b{w, {}};
    for (int d = 0; d < static_cast<int>(x.dim()); ++d) {
      a.labels.push_back(d);
    }
    for (int d = 0; d < static_cast<int>(w.dim()); ++d) {
      b.labels.push_back(kEllipsis + d);
    }
    Labels kept = join(a.labels, b.labels);
    for (std::size_t i = 0; i < dims_self.size(); ++i) {
      const std::size_t p = wrap_dim("tensordot", dims_self[i], x.sizes().size());
      const std::size_t q = wrap_dim("tensordot", dims_other[i], w.sizes().size());
      const bool exist = p < a.labels.size() && q < b.labels.size();  // a scalar has no dimension 0
      check(exist && x.sizes()[p] == w.sizes()[q] && b.labels[q] >= kEllipsis && contains(kept, a.labels[p]),
            "tensordot: dimension ", dims_self[i], " of ", describe(x), " and ", dims_other[i], " of ", describe(w),
            ": need equal sizes, and each dimension once");
      std::erase(kept, a.labels[p]);
      b.labels[q] = a.labels[p];
    }
    return contract(a, b, kept).x;
  }
};

}  // namespace

#include <backflow/ops/einsum_functions.inc>

OperatorFamily einsum_operators() { return family<Einsum, Tensordot>("einsum"); }

}  // namespace backflow
