#include <backflow/ops/kernels/reductions/sort.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/long_rows.h>
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

constexpr std::size_t kFew = 64;  // that a heap selects

/// The first k of `items` in order, or in no order, at the front.
template <class Form>
void select_first(std::vector<typename Form::Item>& items, std::vector<typename Form::Item>& spare, std::size_t k,
                  bool sorted) {
  constexpr std::size_t kRadix = 1024;  // items from which on the digits' tables pay off
  // A heap of few items, a partition for a part of them, else a sort of all.
  const auto begin = items.begin();
  const auto middle = begin + static_cast<std::ptrdiff_t>(k);
  if (k < items.size() && k <= kFew) {
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

constexpr std::int64_t kLeastPart = 8192;  // elements of a part of a line

/// The lines of `x`, and the first k elements of each in order.
template <class T>
class LineSorter {
  using C = ComputeType<T>;
  using Key = decltype(key_of(C{}));
  using Form = std::conditional_t<sizeof(Key) == 4, Narrow, Wide>;
  using Items = std::vector<typename Form::Item>;

 public:
  LineSorter(Order order, const Tensor& values, const Tensor& indices, const Tensor& x, std::size_t dim)
      : order_(order),
        lines_({&x, &values, &indices}, dim),
        n_(length(x, dim)),
        k_(length(values, dim)),
        from_(x.const_data_ptr<T>()),
        to_(values.mutable_data_ptr<T>()),
        at_(indices.mutable_data_ptr<std::int64_t>()) {
    check(Form::kBits == 64 || n_ <= std::int64_t{0xffffffff}, "sort: ", n_,
          " elements in a line: need fewer than 2^32");
  }

  /// Keys with their indices have one order, so the cut is free: into lines, and where a heap selects few elements of
  /// few long lines into parts of these. The first of a line are among the first of its parts.
  void run(bool sorted) const {
    const double time = kSorted * static_cast<double>(lines_.count * n_);
    const std::int64_t most = static_cast<std::size_t>(k_) <= kFew ? std::max<std::int64_t>(1, n_ / kLeastPart) : 1;
    const std::int64_t parts =
        std::min(most, chunks_of(free_pieces(lines_.count * most, time * kOfSelection), lines_.count));
    if (parts > 1) {
      select_from_parts(parts, time * kOfSelection);
      return;
    }
    parallel_ranges(lines_.count, time, [&](std::int64_t begin, std::int64_t end) {
      Items items;
      Items spare;
      for (std::int64_t l = begin; l < end; ++l) {
        read(l, 0, n_, items);
        select_first<Form>(items, spare, static_cast<std::size_t>(k_), sorted);
        write(l, items.data());
      }
    });
  }

 private:
  static constexpr double kOfSelection = 0.25;  // of the time of a sort

  /// Elements [begin, end) of line l.
  void read(std::int64_t l, std::int64_t begin, std::int64_t end, Items& items) const {
    const T* const line = from_ + lines_.loop.offset(0, l);
    items.resize(static_cast<std::size_t>(end - begin));
    for (std::int64_t i = begin; i < end; ++i) {
      const Key key = key_of(static_cast<C>(line[i * lines_.stride[0]]));
      items[static_cast<std::size_t>(i - begin)] =
          Form::make(order_ == Order::Ascending ? key : static_cast<Key>(~key), static_cast<std::uint64_t>(i));
    }
  }
  void write(std::int64_t l, const typename Form::Item* items) const {
    const T* const line = from_ + lines_.loop.offset(0, l);
    T* const to = to_ + lines_.loop.offset(1, l);
    std::int64_t* const at = at_ + lines_.loop.offset(2, l);
    for (std::int64_t i = 0; i < k_; ++i) {
      const std::int64_t index = Form::index(items[i]);
      to[i * lines_.stride[1]] = line[index * lines_.stride[0]];
      at[i * lines_.stride[2]] = index;
    }
  }

  void select_from_parts(std::int64_t parts, double time) const {
    const detail::LongRows all{lines_.count, n_, chunks_of(n_, parts)};
    const std::int64_t selected = all.pieces() * k_;
    Items found(static_cast<std::size_t>(lines_.count * selected));
    all.reduce(
        time,
        [&](std::int64_t l, std::int64_t p) {
          Items items;
          read(l, all.begin(p), all.begin(p) + all.size(p), items);
          const std::int64_t count = std::min(k_, all.size(p));
          std::partial_sort(items.begin(), items.begin() + count, items.end());
          std::copy_n(items.begin(), count, found.begin() + l * selected + p * k_);
        },
        [&](std::int64_t l) {
          const auto first = found.begin() + l * selected;
          const std::int64_t missing = std::max<std::int64_t>(0, k_ - all.size(all.pieces() - 1));  // of the last part
          std::partial_sort(first, first + k_, first + selected - missing);
          write(l, &*first);
        });
  }

  Order order_;
  Lines<3> lines_;
  std::int64_t n_;
  std::int64_t k_;
  const T* from_;
  T* to_;
  std::int64_t* at_;
};

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
    dispatch(x.scalar_type(),
             [&](auto zero) { LineSorter<decltype(zero)>(order, values, indices, x, dim).run(sorted); });
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
