// One triangle of matrices.
#include <backflow/ops/kernels/layout/triangle.h>

#include <algorithm>

#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/runs.h>

namespace backflow::kernels {
namespace {

/// y[j * sy] = x[j * sx] for j in [begin, end).
template <class U>
void copy_part(U* y, std::int64_t sy, const U* x, std::int64_t sx, std::int64_t begin, std::int64_t end) {
  if (y == x) {
    return;
  }
  if (sy == 1 && sx == 1) {
    std::copy(x + begin, x + std::max(begin, end), y + begin);
    return;
  }
  for (std::int64_t j = begin; j < end; ++j) {
    y[j * sy] = x[j * sx];
  }
}

template <class U>
void zero_part(U* y, std::int64_t sy, std::int64_t begin, std::int64_t end) {
  if (sy == 1) {
    std::fill(y + begin, y + std::max(begin, end), U{0});
    return;
  }
  for (std::int64_t j = begin; j < end; ++j) {
    y[j * sy] = U{0};
  }
}

}  // namespace

void triangle(const Tensor& y, const Tensor& x, Triangle part, std::int64_t diagonal) {
  if (y.numel() == 0) {
    return;
  }
  const std::int64_t rows = y.size(-2);
  const std::int64_t columns = y.size(-1);
  const std::int64_t sy = y.stride(-1);
  const std::int64_t sx = x.stride(-1);
  // The offset of a row is that of its first element.
  const auto first_column = [](const Tensor& t) {
    DimVector sizes(t.sizes());
    DimVector strides(t.strides());
    sizes.pop_back();
    strides.pop_back();
    return view_of(t, sizes, strides, t.storage_offset());
  };
  const Tensor y_rows = first_column(y);
  const Tensor x_rows = first_column(x);
  const StridedLoop<2> loop(y_rows.sizes(), {&y_rows, &x_rows});
  detail::dispatch_width(y.scalar_type(), [&](auto zero) {
    using U = decltype(zero);
    const double nanoseconds = 2 * kNanosecondsPerByte * static_cast<double>(y.nbytes());
    parallel_ranges(y_rows.numel(), nanoseconds, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        U* to = detail::bits_of<U>(y) + loop.offset(0, row);
        const U* from = detail::bits_of<U>(x) + loop.offset(1, row);
        // Columns before `cut` are of the lower triangle, the others above it.
        const bool lower = part == Triangle::Lower;
        const std::int64_t bounded = std::clamp(diagonal, -rows - 1, columns + 1);
        const std::int64_t cut = std::clamp<std::int64_t>(row % rows + bounded + (lower ? 1 : 0), 0, columns);
        copy_part(to, sy, from, sx, lower ? 0 : cut, lower ? cut : columns);
        zero_part(to, sy, lower ? cut : 0, lower ? columns : cut);
      }
    });
  });
}

}  // namespace backflow::kernels
