#include <backflow/ops/kernels/reductions/sort.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

/// The lines along one dimension of N tensors whose other sizes are equal.
template <std::size_t N>
struct Lines {
  StridedLoop<N> loop;
  std::int64_t count;
  std::array<std::int64_t, N> stride;

  Lines(const std::array<const Tensor*, N>& tensors, std::size_t dim) : Lines(starts(tensors, dim)) {
    for (std::size_t k = 0; k < N; ++k) {
      stride[k] = tensors[k]->dim() == 0 ? 1 : tensors[k]->strides()[dim];
    }
  }

 private:
  using Starts = std::array<Tensor, N>;

  explicit Lines(const Starts& s) : loop(s[0].sizes(), pointers(s)), count(s[0].numel()) {}

  static Starts starts(const std::array<const Tensor*, N>& tensors, std::size_t dim) {
    Starts result;
    for (std::size_t k = 0; k < N; ++k) {
      DimVector sizes(tensors[k]->sizes());
      DimVector strides(tensors[k]->strides());
      if (!sizes.empty()) {
        sizes.erase(dim);
        strides.erase(dim);
      }
      result[k] = view_of(*tensors[k], sizes, strides, tensors[k]->storage_offset());
    }
    return result;
  }
  static std::array<const Tensor*, N> pointers(const Starts& s) {
    std::array<const Tensor*, N> result;
    for (std::size_t k = 0; k < N; ++k) {
      result[k] = &s[k];
    }
    return result;
  }
};

std::int64_t length(const Tensor& x, std::size_t dim) { return x.dim() == 0 ? 1 : x.sizes()[dim]; }

/// An unsigned number whose order is that of x, where -0 equals 0 and all NaN are equal and the largest.
template <class T>
auto key_of(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    using U = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr U kSign = U{1} << (8 * sizeof(T) - 1);
    if (std::isnan(x)) {
      return std::numeric_limits<U>::max();
    }
    const U bits = std::bit_cast<U>(x + T{0});  // -0 + 0 is 0
    return (bits & kSign) != 0 ? static_cast<U>(~bits) : static_cast<U>(bits | kSign);
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return static_cast<std::uint64_t>(x) ^ (std::uint64_t{1} << 63U);
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return static_cast<std::uint32_t>(x) ^ (std::uint32_t{1} << 31U);
  } else {
    static_assert(std::is_unsigned_v<T> && sizeof(T) <= sizeof(std::uint32_t));
    return static_cast<std::uint32_t>(x);
  }
}

/// A key and an index, in one number where both fit: then its order is that of a stable sort.
struct Narrow {
  using Item = std::uint64_t;
  static constexpr int kBits = 32;
  static Item make(std::uint32_t key, std::uint64_t index) { return std::uint64_t{key} << 32U | index; }
  static std::uint64_t key(Item item) { return item >> 32U; }
  static std::int64_t index(Item item) { return static_cast<std::int64_t>(item & 0xffffffffU); }
};
struct Wide {
  struct Item {
    std::uint64_t key;
    std::uint64_t index;
    friend bool operator<(const Item& a, const Item& b) { return a.key != b.key ? a.key < b.key : a.index < b.index; }
  };
  static constexpr int kBits = 64;
  static Item make(std::uint64_t key, std::uint64_t index) { return {key, index}; }
  static std::uint64_t key(const Item& item) { return item.key; }
  static std::int64_t index(const Item& item) { return static_cast<std::int64_t>(item.index); }
};

/// Radix sort by the key's digits, least significant first; a digit that is the same in all is passed over. Digits of
/// 11 bits take 3 passes for 32 bits; the table of one digit, 16 KiB, stays in the L1 cache.
template <class Form>
void radix_sort(std::vector<typename Form::Item>& items, std::vector<typename Form::Item>& spare) {
  constexpr int kDigit = 11;
  constexpr std::size_t kDigits = (Form::kBits + kDigit - 1) / kDigit;
  constexpr std::size_t kValues = std::size_t{1} << kDigit;
  std::vector<std::size_t> counts(kDigits * kValues);
  const auto digit = [](const auto& item, std::size_t d) {
    return static_cast<std::size_t>(Form::key(item) >> (d * kDigit)) & (kValues - 1);
  };
  for (const auto& item : items) {
    for (std::size_t d = 0; d < kDigits; ++d) {
      ++counts[d * kValues + digit(item, d)];
    }
  }
  spare.resize(items.size());
  for (std::size_t d = 0; d < kDigits; ++d) {
    std::size_t* const places = counts.data() + d * kValues;
    if (places[digit(items[0], d)] == items.size()) {
      continue;
    }
    std::size_t next = 0;
    for (std::size_t v = 0; v < kValues; ++v) {
      next += std::exchange(places[v], next);
    }
    for (const auto& item : items) {
      spare[places[digit(item, d)]++] = item;
    }
    items.swap(spare);
  }
}

/// The first k of `items` in order, or in no order, at the front.
template <class Form>
void select_first(std::vector<typename Form::Item>& items, std::vector<typename Form::Item>& spare, std::size_t k,
                  bool sorted) {
  constexpr std::size_t kRadix = 1024;  // items from which on the digits' tables pay off
  // A heap of few items, a partition for a part of them, else a sort of all.
  const auto begin = items.begin();
  const auto middle = begin + static_cast<std::ptrdiff_t>(k);
  if (k < items.size() && k <= 64) {
    std::partial_sort(begin, middle, items.end());
  } else if (k < items.size() / 4) {
    std::nth_element(begin, middle, items.end());
    if (sorted) {
      std::sort(begin, middle);
    }
  } else if (items.size() >= kRadix) {
    radix_sort<Form>(items, spare);
  } else {
    std::sort(begin, items.end());
  }
}

constexpr double kSorted = 7;  // ns of an element that is sorted
constexpr double kPlaced = 2;  // ns of an index

template <class T>
void sort_lines(Order order, const Tensor& values, const Tensor& indices, const Tensor& x, std::size_t dim,
                bool sorted) {
  using C = ComputeType<T>;
  using Key = decltype(key_of(C{}));
  using Form = std::conditional_t<sizeof(Key) == 4, Narrow, Wide>;
  const Lines<3> lines({&x, &values, &indices}, dim);
  const std::int64_t n = length(x, dim);
  const std::int64_t k = length(values, dim);
  check(Form::kBits == 64 || n <= std::int64_t{0xffffffff}, "sort: ", n, " elements in a line: need fewer than 2^32");
  // The order of a line is one thread's: the cut is free.
  parallel_ranges(
      lines.count, kSorted * static_cast<double>(lines.count * n), [&](std::int64_t begin, std::int64_t end) {
        std::vector<typename Form::Item> items(static_cast<std::size_t>(n));
        std::vector<typename Form::Item> spare;
        for (std::int64_t l = begin; l < end; ++l) {
          const T* const from = x.const_data_ptr<T>() + lines.loop.offset(0, l);
          T* const to = values.mutable_data_ptr<T>() + lines.loop.offset(1, l);
          std::int64_t* const at = indices.mutable_data_ptr<std::int64_t>() + lines.loop.offset(2, l);
          for (std::int64_t i = 0; i < n; ++i) {
            const Key key = key_of(static_cast<C>(from[i * lines.stride[0]]));
            items[static_cast<std::size_t>(i)] =
                Form::make(order == Order::Ascending ? key : static_cast<Key>(~key), static_cast<std::uint64_t>(i));
          }
          select_first<Form>(items, spare, static_cast<std::size_t>(k), sorted);
          for (std::int64_t i = 0; i < k; ++i) {
            const std::int64_t index = Form::index(items[static_cast<std::size_t>(i)]);
            to[i * lines.stride[1]] = from[index * lines.stride[0]];
            at[i * lines.stride[2]] = index;
          }
        }
      });
}

/// Calls f(line of y, line of x, index, place) for each index; `bound` is what it must be below.
template <class T, class F>
void for_each_place(const char* where, const Tensor& y, const Tensor& x, const Tensor& index, std::size_t dim,
                    std::int64_t bound, const F& f) {
  const Lines<3> lines({&index, &y, &x}, dim);
  const std::int64_t k = length(index, dim);
  // What is added to a line is added by one thread: the cut is free.
  parallel_ranges(
      lines.count, kPlaced * static_cast<double>(lines.count * k), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t l = begin; l < end; ++l) {
          const std::int64_t* const at = index.const_data_ptr<std::int64_t>() + lines.loop.offset(0, l);
          T* const to = y.mutable_data_ptr<T>() + lines.loop.offset(1, l);
          const T* const from = x.const_data_ptr<T>() + lines.loop.offset(2, l);
          for (std::int64_t i = 0; i < k; ++i) {
            const std::int64_t place = at[i * lines.stride[0]];
            check(place >= 0 && place < bound, where, ": index ", place, ": need one in [0, ", bound - 1, "]");
            f(to, lines.stride[1], from, lines.stride[2], i, place);
          }
        }
      });
}

}  // namespace

void sort(Order order, const Tensor& values, const Tensor& indices, const Tensor& x, std::size_t dim, bool sorted) {
  if (values.numel() > 0) {
    dispatch(x.scalar_type(), [&](auto zero) { sort_lines<decltype(zero)>(order, values, indices, x, dim, sorted); });
  }
}

void take(const char* where, const Tensor& y, const Tensor& x, const Tensor& index, std::size_t dim) {
  if (y.numel() > 0) {
    dispatch(x.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      for_each_place<T>(where, y, x, index, dim, length(x, dim),
                        [](T* to, std::int64_t to_stride, const T* from, std::int64_t from_stride, std::int64_t i,
                           std::int64_t place) { to[i * to_stride] = from[place * from_stride]; });
    });
  }
}

void put(const char* where, const Tensor& y, const Tensor& x, const Tensor& index, std::size_t dim) {
  if (x.numel() > 0) {
    dispatch(x.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      for_each_place<T>(where, y, x, index, dim, length(y, dim),
                        [](T* to, std::int64_t to_stride, const T* from, std::int64_t from_stride, std::int64_t i,
                           std::int64_t place) {
                          T& sum = to[place * to_stride];
                          sum = static_cast<T>(sum + from[i * from_stride]);
                        });
    });
  }
}

}  // namespace backflow::kernels
