// Sums, means and largest elements of rows of a table, bag by bag.
#include <algorithm>
#include <vector>

#include <backflow/ops/creation.h>
#include <backflow/ops/elementwise_internal.h>
#include <backflow/ops/indices_internal.h>
#include <backflow/ops/kernels/embedding.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/recorded_internal.h>
#include <backflow/runtime/threads.h>

namespace backflow {
namespace {

using namespace detail;

enum class BagMode { Sum, Mean, Max };

/// The indices of all bags, without those of the padding row.
struct Bags {
  Tensor indices;  ///< int64 [n], one bag after the other
  Tensor bounds;   ///< int64 [bags + 1]: bag b has [bounds[b], bounds[b + 1])
  Tensor bag;      ///< int64 [n]: the bag of each
  Tensor kept;     ///< int64 [n]: which they are of those that were given; undefined if all

  std::int64_t count() const { return bounds.numel() - 1; }
  std::int64_t size(std::int64_t b) const {
    const auto* const bound = bounds.const_data_ptr<std::int64_t>();
    return bound[b + 1] - bound[b];
  }
};

Tensor int64_line(const std::vector<std::int64_t>& numbers) {
  Tensor line = empty_tensor(static_cast<std::int64_t>(numbers.size()), kInt64);
  std::copy(numbers.begin(), numbers.end(), line.mutable_data_ptr<std::int64_t>());
  return line;
}

/// The elements of an index tensor of one dimension.
std::vector<std::int64_t> line_of(const char* what, const Tensor& x) {
  check(x.dim() == 1, "embedding_bag: ", what, ' ', describe(x), ": need one dimension");
  const Tensor line = row_major_copy(as_int64("embedding_bag", x));
  const auto* const data = line.const_data_ptr<std::int64_t>();
  return {data, data + line.numel()};
}

/// Where each bag starts, and the end of the last.
std::vector<std::int64_t> bounds_of(const Tensor& offsets, std::int64_t n, bool include_last_offset) {
  std::vector<std::int64_t> bounds = line_of("offsets", offsets);
  check(!include_last_offset || !bounds.empty(), "embedding_bag: no offsets with include_last_offset: need the last");
  if (!include_last_offset) {
    bounds.push_back(n);
  }
  check(bounds.size() == 1 || bounds.front() == 0, "embedding_bag: first offset ", bounds.front(), ": need 0");
  for (std::size_t b = 0; b < bounds.size(); ++b) {
    check(bounds[b] >= (b == 0 ? 0 : bounds[b - 1]) && bounds[b] <= n, "embedding_bag: offset ", bounds[b], " at ", b,
          ": need offsets that don't fall, of ", n, " indices");
  }
  return bounds;
}

Bags bags_of(const Tensor& weight, const Tensor& indices, const Tensor& offsets, bool include_last_offset,
             std::int64_t padding) {
  const std::vector<std::int64_t> all = line_of("indices", indices);
  const std::int64_t rows = weight.sizes()[0];
  for (std::size_t i = 0; i < all.size(); ++i) {
    check(all[i] >= 0 && all[i] < rows, "embedding_bag: index ", all[i], " at ", i, ": need one in [0, ", rows, ")");
  }
  std::vector<std::int64_t> bounds = bounds_of(offsets, static_cast<std::int64_t>(all.size()), include_last_offset);
  std::vector<std::int64_t> chosen;
  std::vector<std::int64_t> bag;
  std::vector<std::int64_t> kept;
  std::int64_t begin = bounds.front();
  bounds.front() = 0;
  for (std::size_t b = 0; b + 1 < bounds.size(); ++b) {
    const std::int64_t end = bounds[b + 1];
    for (; begin < end; ++begin) {
      if (const std::int64_t row = all[static_cast<std::size_t>(begin)]; row != padding) {
        chosen.push_back(row);
        bag.push_back(static_cast<std::int64_t>(b));
        kept.push_back(begin);
      }
    }
    bounds[b + 1] = static_cast<std::int64_t>(chosen.size());
  }
  return {int64_line(chosen), int64_line(bounds), int64_line(bag),
          kept.size() == all.size() ? Tensor() : int64_line(kept)};
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
  static constexpr auto info = recorded_by_others("EmbeddingBagBackward0");
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

/// y[b] = the largest w[i] in each column, and its row, the first of several; 0 and row 0 for an empty bag.
struct MaxBags : BagState {
  static constexpr auto info = recorded_by_others("EmbeddingBagBackward0");
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
      parallel_for(bags.count(), [&](std::int64_t b) {
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
            if (static_cast<double>(other[j]) > static_cast<double>(row[j])) {
              row[j] = other[j];
              rows[j] = index[i];
            }
          }
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
      .name = "embedding_bag",
      .signature =
          "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, "
          "bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? "
          "padding_idx=None) -> (Tensor, Tensor, Tensor, Tensor)",
      .formula = "y[b] = the sum, mean or maximum of w[i] over the indices i of bag b;  dw[i] = the sum of dy / number",
      .doc =
          "Rows of weight [rows, columns] for integer indices [n], summed (mode 0), averaged (1) or the largest of "
          "each column (2) bag by bag: [bags, columns], 0 for empty bags. Bag b has the indices from offsets[b] up to "
          "offsets[b + 1]; the last all that are left, or with include_last_offset those before the last offset. "
          "per_sample_weights [n] are factors in a sum. Indices of the row padding_idx count for nothing. Also gives "
          "the bag of each index that counts, the sizes of the bags, and for maxima the rows. An Error for indices "
          "and offsets outside, and for sparse.",
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
    const Tensor sizes = int64_line({});
    if (factors.defined()) {
      check_factors(factors, weight, indices, how);
      return {weighted_sum(weight, bags, factors, by_frequency), bags.bag, sizes_of(bags), sizes};
    }
    if (how == BagMode::Max) {
      const auto [y, places] = record<MaxBags>(weight, bags);
      return {y, bags.bag, sizes_of(bags), places};
    }
    return {record<SumBags>(weight, bags, how == BagMode::Mean, by_frequency), bags.bag, sizes_of(bags), sizes};
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
