#include <backflow/ops/kernels/layout/border.h>

#include <algorithm>

#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/runs.h>

namespace backflow::kernels {
namespace {

std::int64_t length(const BorderMap& map) { return static_cast<std::int64_t>(map.source.size()); }

std::int64_t at(const std::vector<std::int64_t>& list, std::int64_t i) { return list[static_cast<std::size_t>(i)]; }

/// Calls f(place) for the places of the border.
template <class F>
void for_each_border(const BorderMap& map, const F& f) {
  for (std::int64_t i = 0; i < map.first; ++i) {
    f(i);
  }
  for (std::int64_t i = map.first + map.count; i < length(map); ++i) {
    f(i);
  }
}

/// The places where each element of a dimension stands: those of i are places[first[i], first[i + 1]).
struct Places {
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> places;

  explicit Places(const BorderMap& map) : first(static_cast<std::size_t>(map.size) + 1), places(map.source.size()) {
    for (const std::int64_t i : map.source) {
      ++first[static_cast<std::size_t>(i) + 1];
    }
    for (std::size_t i = 1; i < first.size(); ++i) {
      first[i] += first[i - 1];
    }
    std::vector<std::int64_t> next = first;
    for (std::size_t place = 0; place < places.size(); ++place) {
      places[static_cast<std::size_t>(next[static_cast<std::size_t>(map.source[place])]++)] =
          static_cast<std::int64_t>(place);
    }
  }
  std::int64_t begin(std::int64_t i) const { return at(first, i); }
  std::int64_t end(std::int64_t i) const { return at(first, i + 1); }
};

/// Calls f(row) for all rows of `columns` elements of so many bytes; rows do not depend on each other.
template <class F>
void for_each_row(std::int64_t rows, std::int64_t columns, std::size_t size, const F& f) {
  constexpr double kOfRow = 10;  // nanoseconds, to find its place
  const double of_columns = 2 * kNanosecondsPerByte * static_cast<double>(columns) * static_cast<double>(size);
  parallel_ranges(rows, static_cast<double>(rows) * (kOfRow + of_columns), [&](std::int64_t row, std::int64_t end) {
    for (; row < end; ++row) {
      f(row);
    }
  });
}

/// One row of dx: `rows` of dy are folded one after the other.
template <class T>
class RowFold {
 public:
  RowFold(T* dx, const BorderMap& map) : dx_(dx), map_(map) {}

  void add(const T* dy) {
    const T* inner = dy + map_.first;
    if (is_first_) {
      std::fill_n(dx_, map_.from, T{0});
      std::copy_n(inner, map_.count, dx_ + map_.from);
      std::fill(dx_ + map_.from + map_.count, dx_ + map_.size, T{0});
    } else {
      T* to = dx_ + map_.from;
      for (std::int64_t i = 0; i < map_.count; ++i) {
        to[i] += inner[i];
      }
    }
    is_first_ = false;
    for_each_border(map_, [&](std::int64_t i) { dx_[at(map_.source, i)] += dy[i]; });
  }
  void finish() {
    if (is_first_) {
      std::fill_n(dx_, map_.size, T{0});
    }
  }

 private:
  T* dx_;
  const BorderMap& map_;
  bool is_first_ = true;
};

}  // namespace

void add_border(const Tensor& y, const Tensor& x, const std::array<BorderMap, 3>& maps) {
  const BorderMap& planes = maps[0];
  const BorderMap& rows = maps[1];
  const BorderMap& along = maps[2];
  const std::int64_t columns = length(along);
  detail::dispatch_width(x.scalar_type(), [&](auto zero) {
    using U = decltype(zero);
    const U* const from = detail::bits_of<U>(x);
    U* const to = detail::bits_of<U>(y);
    for_each_row(y.numel() / columns, columns, sizeof(U), [&](std::int64_t row) {
      const std::int64_t volume = row / (length(rows) * length(planes));
      const std::int64_t plane = volume * planes.size + at(planes.source, row / length(rows) % length(planes));
      const U* source = from + (plane * rows.size + at(rows.source, row % length(rows))) * along.size;
      U* result = to + row * columns;
      std::copy_n(source + along.from, along.count, result + along.first);
      for_each_border(along, [&](std::int64_t i) { result[i] = source[at(along.source, i)]; });
    });
  });
}

void fold_border(const Tensor& dx, const Tensor& dy, const std::array<BorderMap, 3>& maps) {
  const BorderMap& planes = maps[0];
  const BorderMap& rows = maps[1];
  const BorderMap& along = maps[2];
  const Places of_planes(planes);
  const Places of_rows(rows);
  dispatch_floating(dx.scalar_type(), "pad", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = dy.const_data_ptr<T>();
    T* const to = dx.mutable_data_ptr<T>();
    for_each_row(dx.numel() / along.size, along.size, sizeof(T), [&](std::int64_t row) {
      const std::int64_t volume = row / (rows.size * planes.size);
      const std::int64_t p = row / rows.size % planes.size;
      const std::int64_t r = row % rows.size;
      RowFold<T> fold(to + row * along.size, along);
      for (std::int64_t i = of_planes.begin(p); i < of_planes.end(p); ++i) {
        const std::int64_t plane = volume * length(planes) + at(of_planes.places, i);
        for (std::int64_t j = of_rows.begin(r); j < of_rows.end(r); ++j) {
          fold.add(from + (plane * length(rows) + at(of_rows.places, j)) * length(along));
        }
      }
      fold.finish();
    });
  });
}

}  // namespace backflow::kernels
