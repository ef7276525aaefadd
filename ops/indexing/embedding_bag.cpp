// Sums, means and largest elements of rows of a table, bag by bag.
#include <algorithm>
#include <cmath>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/indexing/indices_internal.h>
#include <backflow/ops/kernels/indexing/embedding.h>
#include <backflow/ops/kernels/layout/uneven.h>
#include <backflow/ops/operators.h>

namespace backflow {
namespace {

using namespace detail;

enum class BagMode { Sum, Mean, Max };

/// The indices of all bags, without those of the padding row.
struct Bags {
  Tensor indices;  ///< int64 [n], one bag after the other
  Tensor bounds;   ///< int64 [bags + 1]: bag b has [bounds[b], bounds[b + 1])
  Tensor bag;      ///< int64 [n]: the bag of each
  Tensor kept;     ///< int64 [n]: which they are of those that were given; undefined if all are

  std::int64_t count() const { return bounds.numel() - 1; }
  std::int64_t size(std::int64_t b) const {
    const auto* const bound = bounds.const_data_ptr<std::int64_t>();
    return bound[b + 1] - bound[b];
  }
};

/// Contiguous int64 numbers of one dimension, which nobody else changes.
Tensor line_of(const char* what, const Tensor& x) {
  check(x.dim() == 1, "embedding_bag: ", what, ' ', describe(x), ": need one dimension");
  return row_major_copy(as_int64("embedding_bag", x));
}

Tensor indices_of(const Tensor& indices, std::int64_t rows) {
  Tensor line = line_of("indices", indices);
  const auto* const index = line.const_data_ptr<std::int64_t>();
  bool is_outside = false;
  for (std::int64_t i = 0; i < line.numel(); ++i) {
    is_outside = is_outside || index[i] < 0 || index[i] >= rows;
  }
  for (std::int64_t i = 0; is_outside && i < line.numel(); ++i) {
    check(index[i] >= 0 && index[i] < rows, "embedding_bag: index ", index[i], " at ", i, ": need one in [0, ", rows,
          ")");
  }
  return line;
}

/// Where each bag starts, and the end of the last.
Tensor bounds_of(const Tensor& offsets, std::int64_t n, bool include_last_offset) {
  const Tensor given = line_of("offsets", offsets);
  check(!include_last_offset || given.numel() > 0, "embedding_bag: no offsets with include_last_offset: need the last");
  Tensor bounds = empty_tensor(given.numel() + (include_last_offset ? 0 : 1), kInt64);
  auto* const bound = bounds.mutable_data_ptr<std::int64_t>();
  bound[bounds.numel() - 1] = n;
  std::copy_n(given.const_data_ptr<std::int64_t>(), given.numel(), bound);
  check(given.numel() == 0 || bound[0] == 0, "embedding_bag: first offset ", bound[0], ": need 0");
  for (std::int64_t b = 1; b < bounds.numel(); ++b) {
    check(bound[b] >= bound[b - 1] && bound[b] <= n, "embedding_bag: offset ", bound[b], " at ", b,
          ": need offsets that don't fall, of ", n, " indices");
  }
  if (given.numel() == 0) {
    bound[0] = 0;
  }
  return bounds;
}

/// The first n of a line.
Tensor shortened(const Tensor& line, std::int64_t n) {
  return line.numel() == n ? line : row_major_copy(line.slice(0, 0, n));
}

Bags bags_of(const Tensor& weight, const Tensor& indices, const Tensor& offsets, bool include_last_offset,
             std::int64_t padding) {
  const Tensor all = indices_of(indices, weight.sizes()[0]);
  const Tensor bounds = bounds_of(offsets, all.numel(), include_last_offset);
  const Tensor bag = empty_tensor(all.numel(), kInt64);
  const Tensor kept = padding < 0 ? Tensor() : empty_tensor(all.numel(), kInt64);
  auto* const bound = bounds.mutable_data_ptr<std::int64_t>();
  auto* const index = all.mutable_data_ptr<std::int64_t>();
  auto* const of = bag.mutable_data_ptr<std::int64_t>();
  auto* const place = kept.defined() ? kept.mutable_data_ptr<std::int64_t>() : nullptr;
  std::int64_t n = 0;
  for (std::int64_t b = 0, i = 0; b + 1 < bounds.numel(); ++b) {
    for (; i < bound[b + 1]; ++i) {
      if (index[i] == padding) {
        continue;
      }
      if (place != nullptr) {
        index[n] = index[i];
        place[n] = i;
      }
      of[n++] = b;
    }
    bound[b + 1] = n;
  }
  return {shortened(all, n), bounds, shortened(bag, n),
          kept.defined()     ? shortened(kept, n)
          : n == all.numel() ? Tensor()
                             : arange(n, kInt64)};
}

/// f of the size of each bag, beside rows of numbers of this dtype.
template <class F>
Tensor of_sizes(const Bags& bags, ScalarType dtype, const F& f) {
  const Tensor y = empty_tensor({bags.count(), 1}, kFloat64);
  for (std::int64_t b = 0; b < bags.count(); ++b) {
    y.mutable_data_ptr<double>()[b] = f(static_cast<double>(bags.size(b)));
  }
  return to(y, dtype);
}

/// What the backward of all modes keeps.
struct BagState {
  Bags bags;
  std::int64_t rows;

  template <class... Rest>
  static Cost forward_cost(const Tensor& weight, const Bags& bags, const Rest&...) {
    const auto numbers = static_cast<float>(bags.indices.numel() * weight.sizes()[1]);
    return {numbers, numbers * static_cast<float>(element_size(weight.scalar_type())), weight.scalar_type()};
  }
  template <class... Rest>
  static Cost cost(const Tensor& weight, const Bags& bags, const Rest&... rest) {
    return forward_cost(weight, bags, rest...);
  }
};

/// y[b] = the sum of w[i] over the indices i of bag b, or their mean;  dw[i] = the sum of dy of the bags of i.
struct SumBags : BagState {
  static constexpr NodeInfo info{"EmbeddingBagBackward0"};
  bool averages;
  bool by_frequency;
  static Tensor forward(const Tensor& weight, const Bags& bags, bool average, bool) {
    Tensor y = empty_tensor({bags.count(), weight.sizes()[1]}, weight.scalar_type());
    const Tensor table = weight.is_contiguous() ? weight : row_major_copy(weight);
    kernels::sum_bags(y, table, bags.indices.const_data_ptr<std::int64_t>(), bags.bounds.const_data_ptr<std::int64_t>(),
                      average);
    return y;
  }
  void save(Needs, const Tensor& weight, const Bags& bags_, bool average, bool by_frequency_, const Tensor&) {
    bags = bags_;
    rows = weight.sizes()[0];
    averages = average;
    by_frequency = by_frequency_;
  }
  void backward(Backward& b) const {
    Tensor dy = b.dy();
    if (averages) {
      dy = dy * of_sizes(bags, dy.scalar_type(), [](double n) { return 1 / std::max(n, 1.0); });
    }
    b.dx(0) = embedding_dense_backward(index_select(dy, 0, bags.bag), bags.indices, rows, -1, by_frequency);
  }
};

/// Whether x takes the place of the maximum so far; NaN does once.
bool exceeds(double x, double largest) { return x > largest || (std::isnan(x) && !std::isnan(largest)); }

/// y[b] = the largest w[i] in each column, and its row, the first of several; 0 and row 0 for an empty bag.
struct MaxBags : BagState {
  static constexpr NodeInfo info{"EmbeddingBagBackward0"};
  Tensor chosen;
  static std::tuple<Tensor, Tensor> forward(const Tensor& weight, const Bags& bags) {
    const std::int64_t columns = weight.sizes()[1];
    Tensor y = empty_tensor({bags.count(), columns}, weight.scalar_type());
    Tensor place = empty_tensor(y.sizes(), kInt64);
    const Tensor table = weight.is_contiguous() ? weight : row_major_copy(weight);
    const auto* const index = bags.indices.const_data_ptr<std::int64_t>();
    const auto* const bounds = bags.bounds.const_data_ptr<std::int64_t>();
    dispatch(weight.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      const T* const from = table.const_data_ptr<T>();
      T* const to = y.mutable_data_ptr<T>();
      auto* const places = place.mutable_data_ptr<std::int64_t>();
      // No sum, and each number by one thread: the cut is free.
      const auto work = [&](std::int64_t b) { return bounds[b] + b; };
      const auto of_bag = [&](std::int64_t b) {
        T* const row = to + b * columns;
        std::int64_t* const rows = places + b * columns;
        const std::int64_t first = bounds[b];
        const bool is_empty = first == bounds[b + 1];
        for (std::int64_t j = 0; j < columns; ++j) {
          rows[j] = is_empty ? 0 : index[first];
          row[j] = is_empty ? T(0) : from[index[first] * columns + j];
        }
        for (std::int64_t i = first + 1; i < bounds[b + 1]; ++i) {
          const T* const other = from + index[i] * columns;
          for (std::int64_t j = 0; j < columns; ++j) {
            if (exceeds(static_cast<double>(other[j]), static_cast<double>(row[j]))) {
              row[j] = other[j];
              rows[j] = index[i];
            }
          }
        }
      };
      kernels::detail::parallel_uneven(bags.count(), static_cast<double>(work(bags.count()) * columns), work,
                                       [&](std::int64_t begin, std::int64_t end) {
                                         for (std::int64_t b = begin; b < end; ++b) {
                                           of_bag(b);
                                         }
                                       });
    });
    return {y, place};
  }
  void save(Needs, const Tensor& weight, const Bags& bags_, const std::tuple<Tensor, Tensor>& y) {
    bags = bags_;
    rows = weight.sizes()[0];
    chosen = std::get<1>(y).detach();
  }
  void backward(Backward& b) const {
    const Tensor dw = zeros({rows, b.dy().sizes()[1]}, b.dy().scalar_type());
    const Tensor filled = of_sizes(bags, b.dy().scalar_type(), [](double n) { return n > 0 ? 1 : 0; });
    b.dx(0) = bags.indices.numel() == 0 ? dw : scatter_add(dw, 0, chosen, b.dy() * filled);
  }
};

/// y[b] = the sum of s[i] w[i], of existing operators.
Tensor weighted_sum(const Tensor& weight, const Bags& bags, const Tensor& factors, bool by_frequency) {
  const Tensor kept = bags.kept.defined() ? index_select(factors, 0, bags.kept) : factors;
  const Tensor terms = embedding(weight, bags.indices, -1, by_frequency) * unsqueeze(kept, 1);
  return index_add(zeros({bags.count(), weight.sizes()[1]}, weight.scalar_type()), 0, bags.bag, terms);
}

void check_factors(const Tensor& factors, const Tensor& weight, const Tensor& indices, BagMode mode) {
  check(mode == BagMode::Sum, "embedding_bag: per_sample_weights with another mode than sums: need mode 0");
  check(factors.sizes() == indices.sizes() && factors.scalar_type() == weight.scalar_type(),
        "embedding_bag: per_sample_weights ", describe(factors), ", indices ", describe(indices), ", weight ",
        describe(weight), ": need the shape of the indices and the dtype of the weight");
}

struct EmbeddingBag {
  static constexpr OperatorInfo info = {
      .signature =
          "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, "
          "bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? "
          "padding_idx=None) -> (Tensor, Tensor, Tensor, Tensor)",
      .formula = "y[b] = the sum, mean or maximum of w[i] over the indices i of bag b;  dw[i] = the sum of dy / number",
      .doc =
          "Reduces bags of rows of weight [rows, columns], given by integer indices [n]: their sum (mode 0), mean (1) "
          "or maximum of each column (2). The result is [bags, columns], 0 for empty bags. Bag b has the indices from "
          "offsets[b] up to offsets[b + 1]. The last bag has the rest, or with include_last_offset those before the "
          "last offset. per_sample_weights [n] are factors in a sum. Indices equal to padding_idx are skipped. Further "
          "results: the bag of each used index, the sizes of the bags, and for maxima the rows. An Error for indices "
          "and offsets out of range, and for sparse.",
      .dtypes = kFloatingDtypes,
  };
  static std::tuple<Tensor, Tensor, Tensor, Tensor> forward(const Tensor& weight, const Tensor& indices,
                                                            const Tensor& offsets, bool by_frequency, std::int64_t mode,
                                                            bool sparse, const Tensor& factors,
                                                            bool include_last_offset,
                                                            std::optional<std::int64_t> padding_idx) {
    check(weight.dim() == 2 && weight.is_floating_point(), "embedding_bag: weight ", describe(weight),
          ": need a floating-point table [rows, columns]");
    check(!sparse, "embedding_bag: sparse gradients: need sparse=false; gradients are dense");
    check(mode >= 0 && mode <= 2, "embedding_bag: mode ", mode, ": need 0 (sum), 1 (mean) or 2 (maximum)");
    const auto how = static_cast<BagMode>(mode);
    check(how != BagMode::Max || !by_frequency, "embedding_bag: scale_grad_by_freq with maxima: need another mode");
    const std::int64_t rows = weight.sizes()[0];
    const std::int64_t padding = padding_idx.value_or(0);
    check(!padding_idx || (padding >= -rows && padding < rows), "embedding_bag: padding_idx ", padding,
          ": need one in [", -rows, ", ", rows, ")");
    const Bags bags = bags_of(weight, indices, offsets, include_last_offset,
                              !padding_idx  ? -1
                              : padding < 0 ? padding + rows
                                            : padding);
    const Tensor none = empty_tensor(std::int64_t{0}, kInt64);
    if (factors.defined()) {
      check_factors(factors, weight, indices, how);
      return {weighted_sum(weight, bags, factors, by_frequency), bags.bag, sizes_of(bags), none};
    }
    if (how == BagMode::Max) {
      const auto [y, places] = record<MaxBags>(weight, bags);
      return {y, bags.bag, sizes_of(bags), places};
    }
    return {record<SumBags>(weight, bags, how == BagMode::Mean, by_frequency), bags.bag, sizes_of(bags), none};
  }

 private:
  static Tensor sizes_of(const Bags& bags) {
    return bags.bounds.slice(0, 1, bags.count() + 1) - bags.bounds.slice(0, 0, bags.count());
  }
};

}  // namespace

#include <backflow/ops/embedding_bag_functions.inc>

OperatorFamily embedding_bag_operators() { return family<EmbeddingBag>("embedding_bag"); }

}  // namespace backflow
