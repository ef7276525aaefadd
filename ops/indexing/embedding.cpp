// Rows of a table that indices choose.
#include <cmath>
#include <limits>
#include <vector>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/indexing/indices_internal.h>
#include <backflow/ops/kernels/indexing/embedding.h>

namespace backflow {
namespace {

using namespace detail;

/// The indices as contiguous int64 numbers, each of them in [0, rows).
Tensor checked_indices(const char* where, const Tensor& indices, std::int64_t rows) {
  const Tensor wide = as_int64(where, indices);
  Tensor line = wide.is_contiguous() ? wide : row_major_copy(wide);
  const std::int64_t* data = line.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < line.numel(); ++i) {
    check(data[i] >= 0 && data[i] < rows, where, ": index ", data[i], " at ", i, ": need one in [0, ", rows, ")");
  }
  return line;
}

Tensor contiguous_off_tape(const Tensor& x) { return x.is_contiguous() ? x : row_major_copy(x); }

struct Embedding {
  static constexpr OperatorInfo info = {
      .signature =
          "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool "
          "sparse=False) -> Tensor",
      .formula =
          "y[...] = w[i[...]];  dw[r] = the sum of dy where i = r, divided by their number if scale_grad_by_freq",
      .doc =
          "Rows of weight [rows, columns] for int64 or int32 indices of any shape: a result [..., columns]. The row "
          "padding_idx >= 0 gets no gradient. An Error for indices out of range, and for sparse: gradients are dense.",
      .dtypes = kAnyDtype,
      .node = "EmbeddingBackward0",
  };
  SavedTensor indices;
  std::int64_t rows;
  std::int64_t padding;
  bool by_frequency;
  static Tensor forward(const Tensor& weight, const Tensor& indices, std::int64_t, bool, bool sparse) {
    check(weight.dim() == 2, "embedding: weight ", describe(weight), ": need a table [rows, columns]");
    check(!sparse, "embedding: sparse gradients: need sparse=false; gradients are dense");
    const Tensor line = checked_indices("embedding", indices, weight.size(0));
    DimVector sizes(indices.sizes());
    sizes.push_back(weight.size(1));
    Tensor y = empty_tensor(sizes, weight.scalar_type());
    kernels::take_rows(y, contiguous_off_tape(weight), line.const_data_ptr<std::int64_t>());
    return y;
  }
  void save(Needs, const Tensor& weight, const Tensor& indices_, std::int64_t padding_, bool by_frequency_, bool,
            const Tensor&) {
    indices.save(indices_);
    rows = weight.size(0);
    padding = padding_;
    by_frequency = by_frequency_;
  }
  void backward(Backward& b) const {
    b.dx(0) = embedding_dense_backward(b.dy(), b(indices), rows, padding, by_frequency);
  }
};

struct EmbeddingDenseBackward {
  static constexpr OperatorInfo info = {
      .signature =
          "embedding_dense_backward(Tensor grad_output, Tensor indices, int num_weights, int padding_idx, bool "
          "scale_grad_by_freq) -> Tensor",
      .formula =
          "dw[r] = the sum of dy where i = r, divided by their number if scale_grad_by_freq;  "
          "its own gradient is g[i], divided likewise",
      .doc =
          "The gradient of embedding, [num_weights, columns]; linear in the first operand. Unused rows and row "
          "padding_idx are zero. Sums are in the order of the indices: the same bits on any number of threads.",
      .dtypes = kFloatingDtypes,
      .node = "EmbeddingDenseBackwardBackward0",
  };
  SavedTensor indices;
  std::int64_t padding_;
  bool by_frequency_;
  static Tensor forward(const Tensor& dy, const Tensor& indices, std::int64_t rows, std::int64_t padding,
                        bool by_frequency) {
    const char* const where = info.name;
    check(dy.is_floating_point(), where, ": gradient ", describe(dy), ": need floating-point numbers");
    check(rows >= 0, where, ": ", rows, " rows: need 0 or more");
    check(dy.dim() == indices.dim() + 1 && IntArrayRef(dy.sizes().data(), indices.sizes().size()) == indices.sizes(),
          where, ": gradient ", describe(dy), ", indices ", describe(indices), ": need a gradient [..., columns]");
    const Tensor line = checked_indices(where, indices, rows);
    Tensor dw = empty_tensor({rows, dy.size(-1)}, dy.scalar_type());
    kernels::sum_rows(dw, contiguous_off_tape(dy), line.const_data_ptr<std::int64_t>(), padding, by_frequency);
    return dw;
  }
  void save(Needs, const Tensor&, const Tensor& indices_, std::int64_t, std::int64_t padding, bool by_frequency,
            const Tensor&) {
    indices.save(indices_);
    padding_ = padding;
    by_frequency_ = by_frequency;
  }
  void backward(Backward& b) const {
    const Tensor chosen = b(indices);
    const Tensor rows = embedding(b.dy(), chosen);
    b.dx(0) = padding_ < 0 && !by_frequency_ ? rows : mul(rows, factors(chosen, b.dy()));
  }

 private:
  /// What each index is multiplied with.
  Tensor factors(const Tensor& chosen, const Tensor& dy) const {
    const Tensor line = checked_indices(info.name, chosen, dy.size(0));
    const std::int64_t* index = line.const_data_ptr<std::int64_t>();
    std::vector<std::int64_t> count(static_cast<std::size_t>(dy.size(0)));
    for (std::int64_t i = 0; i < line.numel(); ++i) {
      ++count[static_cast<std::size_t>(index[i])];
    }
    DimVector sizes(chosen.sizes());
    sizes.push_back(1);
    const Tensor factor = empty_tensor(sizes, kFloat64);
    for (std::int64_t i = 0; i < line.numel(); ++i) {
      const auto n = static_cast<double>(count[static_cast<std::size_t>(index[i])]);
      factor.mutable_data_ptr<double>()[i] = index[i] == padding_ ? 0 : by_frequency_ ? 1 / n : 1;
    }
    return to(factor, dy.scalar_type());
  }
};

struct EmbeddingRenorm {
  static constexpr OperatorInfo info = {
      .signature = "embedding_renorm(Tensor weight, Tensor indices, float max_norm, float norm_type) -> Tensor",
      .formula = "y[r] = w[r] max_norm / (n + 1e-7) where an index is r and n = the norm of w[r] > max_norm, else w[r]",
      .doc =
          "Scales the indexed rows of weight [rows, columns] to a norm of at most max_norm >= 0, of a positive order; "
          "not differentiable.",
      .dtypes = kFloatingDtypes,
      .inplace = "embedding_renorm_(Tensor self, Tensor indices, float max_norm, float norm_type) -> Tensor",
  };
  static Tensor forward(const Tensor& weight, const Tensor& indices, double max_norm, double norm_type) {
    check_weight(weight);
    Tensor y = row_major_copy(weight);
    forward_into(y, y, indices, max_norm, norm_type);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor&, const Tensor& indices, double max_norm, double norm_type) {
    check_weight(y);
    check(max_norm >= 0 && norm_type > 0, "embedding_renorm: length ", max_norm, ", order ", norm_type,
          ": need a length >= 0 and an order > 0");
    if (!y.is_contiguous() || y.is_alias_of(indices)) {
      return false;
    }
    const Tensor line = checked_indices(info.name, indices, y.size(0));
    std::vector<bool> is_done(static_cast<std::size_t>(y.size(0)));
    dispatch(y.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      for (std::int64_t i = 0; i < line.numel(); ++i) {
        const std::int64_t r = line.const_data_ptr<std::int64_t>()[i];
        if (!is_done[static_cast<std::size_t>(r)]) {
          is_done[static_cast<std::size_t>(r)] = true;
          shorten(y.mutable_data_ptr<T>() + r * y.size(1), y.size(1), max_norm, norm_type);
        }
      }
    });
    return true;
  }

 private:
  static void check_weight(const Tensor& weight) {
    check(weight.dim() == 2 && weight.is_floating_point(), "embedding_renorm: weight ", describe(weight),
          ": need a floating-point table [rows, columns]");
  }
  /// The sum of (|x| / unit)^order, or the largest |x|.
  template <class T>
  static double sum_of_powers(const T* row, std::int64_t n, double order, double unit) {
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      const double x = std::abs(static_cast<double>(row[j])) / unit;
      sum = std::isinf(order) ? std::max(sum, x) : sum + (order == 2 ? x * x : std::pow(x, order));
    }
    return sum;
  }
  template <class T>
  static double norm_of(const T* row, std::int64_t n, double order) {
    const auto root = [&](double sum) { return order == 2 ? std::sqrt(sum) : std::pow(sum, 1 / order); };
    constexpr double kLeast = 0x1p-952;  // of sums to which powers that have lost digits contribute nothing
    const double sum = sum_of_powers(row, n, order, 1);
    if (std::isinf(order) || (sum >= kLeast && std::isfinite(sum))) {
      return std::isinf(order) ? sum : root(sum);
    }
    const double largest = sum_of_powers(row, n, std::numeric_limits<double>::infinity(), 1);
    return largest > 0 && std::isfinite(largest) ? largest * root(sum_of_powers(row, n, order, largest)) : root(sum);
  }
  template <class T>
  static void shorten(T* row, std::int64_t n, double max_norm, double order) {
    const double norm = norm_of(row, n, order);
    for (std::int64_t j = 0; norm > max_norm && j < n; ++j) {
      row[j] = static_cast<T>(static_cast<double>(row[j]) * (max_norm / (norm + 1e-7)));
    }
  }
};

}  // namespace

#include <backflow/ops/embedding_functions.inc>

OperatorFamily embedding_operators() { return family<Embedding, EmbeddingDenseBackward, EmbeddingRenorm>("embedding"); }

}  // namespace backflow
