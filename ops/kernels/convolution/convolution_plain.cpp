// Convolutions by matrix products: the patches of x that a filter sees become the columns of a matrix.
#include <algorithm>
#include <array>
#include <vector>

#include <backflow/ops/kernels/convolution/convolution.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/layout/dense.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/products/gemm.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kMaxPartials = 8;    // sums over the batch, each of all weights; filters are cut besides
constexpr std::int64_t kLeastFilters = 16;  // of a product: each gathers the columns anew
// Of products that are cut. Each packs the filters anew; a product of one row is cut at whole vectors (gemm.cpp).
constexpr std::int64_t kPositions = 64;
constexpr std::int64_t kRows = 16;
constexpr double kFlopPerNanosecond = 10;  // of one thread, roughly

/// Things of which each is computed on its own.
struct Range {
  std::int64_t begin;
  std::int64_t end;

  std::int64_t size() const { return end - begin; }
};

/// A convolution with three spatial dimensions, those that it has not being 1, and what follows from its sizes.
struct Patches {
  std::array<std::int64_t, 3> x{1, 1, 1};
  std::array<std::int64_t, 3> y{1, 1, 1};
  std::array<std::int64_t, 3> kernel{1, 1, 1};
  std::array<std::int64_t, 3> stride{1, 1, 1};
  std::array<std::int64_t, 3> before{0, 0, 0};
  std::array<std::int64_t, 3> dilation{1, 1, 1};
  std::int64_t batch;
  std::int64_t groups;
  std::int64_t channels;  // of a group
  std::int64_t filters;   // of a group
  std::int64_t in = 1;    // positions of x, of y and of the kernel
  std::int64_t out = 1;
  std::int64_t taps = 1;

  explicit Patches(const ConvolutionGeometry& g)
      : batch(g.x[0]), groups(g.groups), channels(g.w[1]), filters(g.w[0] / g.groups) {
    const std::size_t first = 3 - g.spatial_dims();
    for (std::size_t d = 0; d < g.spatial_dims(); ++d) {
      x[first + d] = g.x[d + 2];
      y[first + d] = g.y[d + 2];
      kernel[first + d] = g.w[d + 2];
      stride[first + d] = g.stride[d];
      before[first + d] = g.before[d];
      dilation[first + d] = g.dilation[d];
    }
    for (std::size_t d = 0; d < 3; ++d) {
      in *= x[d];
      out *= y[d];
      taps *= kernel[d];
    }
  }
  std::int64_t rows() const { return channels * taps; }

  /// Calls f(row of the matrix, first position of y, offset in x or -1 where that is outside, step in x) for each row
  /// along the last dimension of y that has one of `positions`, and each row of the matrix of some `channels_`.
  template <class F>
  void for_each_run(const Range& channels_, const Range& positions, const F& f) const {
    std::array<std::int64_t, 3> k;
    for (std::int64_t row = channels_.begin * taps; row < channels_.end * taps; ++row) {
      const std::int64_t tap = row % taps;
      k = {tap / (kernel[1] * kernel[2]), tap / kernel[2] % kernel[1], tap % kernel[2]};
      const std::int64_t first = positions.begin / y[2];
      std::int64_t i = first / y[1];
      std::int64_t j = first % y[1];
      for (std::int64_t position = first * y[2]; position < positions.end; position += y[2]) {
        const std::int64_t depth = at(0, i, k[0]);
        const std::int64_t height = at(1, j, k[1]);
        const bool outside = depth < 0 || depth >= x[0] || height < 0 || height >= x[1];
        f(row, position, outside ? -1 : (row / taps * x[0] + depth) * x[1] * x[2] + height * x[2], at(2, 0, k[2]));
        if (++j == y[1]) {
          j = 0;
          ++i;
        }
      }
    }
  }
  /// The columns [rows(), positions] of one group of one sample.
  template <class T>
  void gather(const Range& positions, const T* x_data, T* columns) const {
    for_each_run({0, channels}, positions, [&](std::int64_t row, std::int64_t first, std::int64_t from, auto shift) {
      const std::int64_t begin = std::max<std::int64_t>(0, positions.begin - first);
      const std::int64_t count = std::min(y[2], positions.end - first) - begin;
      const std::int64_t start = shift + begin * stride[2];
      T* to = columns + row * positions.size() + first + begin - positions.begin;
      for (std::int64_t p = 0; p < count; ++p) {
        const std::int64_t column = start + p * stride[2];
        to[p] = from < 0 || column < 0 || column >= x[2] ? T{0} : x_data[from + column];
      }
    });
  }
  /// Adds the columns of some channels, [rows of these, out], to where they were gathered from.
  template <class T>
  void scatter(const Range& channels_, const T* columns, T* x_data) const {
    for_each_run(channels_, {0, out}, [&](std::int64_t row, std::int64_t first, std::int64_t to, std::int64_t shift) {
      const T* from = columns + (row - channels_.begin * taps) * out + first;
      for (std::int64_t p = 0; p < y[2] && to >= 0; ++p) {
        const std::int64_t column = shift + p * stride[2];
        if (column >= 0 && column < x[2]) {
          x_data[to + column] += from[p];
        }
      }
    });
  }

 private:
  std::int64_t at(std::size_t d, std::int64_t position, std::int64_t tap) const {
    return position * stride[d] - before[d] + tap * dilation[d];
  }
};

/// One group of one sample.
template <class X, class W, class Y>
struct GroupOfSample {
  X* x;
  W* w;
  Y* y;

  GroupOfSample(const Patches& p, std::int64_t sample, std::int64_t group, X* x_data, W* w_data, Y* y_data)
      : x(x_data + (sample * p.groups + group) * p.channels * p.in),
        w(w_data + group * p.filters * p.rows()),
        y(y_data + (sample * p.groups + group) * p.filters * p.out) {}
};

/// Calls body(sample, group, range of `count` things, columns) for all groups of all samples, on the pool; `columns`
/// are for a piece to use, of `width` elements for each thing. Where groups and samples are fewer than threads, things
/// are cut too, at multiples of `step`, which no piece is smaller than. The cut is free: each group of a sample is
/// computed on its own, and so are these things.
template <class T, class F>
void for_each_group(const Patches& p, std::int64_t count, std::int64_t step, std::int64_t width, const F& body) {
  const double flop = 2.0 * static_cast<double>(p.batch * p.groups * p.filters) * static_cast<double>(p.rows() * p.out);
  const double nanoseconds = flop / kFlopPerNanosecond;
  const std::int64_t groups = p.batch * p.groups;
  const std::int64_t most = std::max<std::int64_t>(1, count / step);
  const std::int64_t parts =
      groups == 0 ? 1 : std::min(most, chunks_of(free_pieces(groups * most, nanoseconds), groups));
  parallel_ranges(groups * parts, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
    const Tensor columns = empty_tensor({chunks_of(chunks_of(count, step), parts) * step, width}, dtype_of<T>);
    for (std::int64_t i = begin; i < end; ++i) {
      const Range range{begin_of_piece(i % parts, parts, count, step),
                        begin_of_piece(i % parts + 1, parts, count, step)};
      body(i / parts / p.groups, i / parts % p.groups, range, columns.mutable_data_ptr<T>());
    }
  });
}

/// Filters that a product of the gradient of the weights has at least. Products add up in one order, however many rows
/// they have, but for a single one.
std::int64_t filters_of_piece(const Patches& p, ScalarType dtype) {
  std::int64_t filters = p.filters;
  while (dtype == kFloat64 && filters % 2 == 0 && filters / 2 >= kLeastFilters) {
    filters /= 2;
  }
  return filters;
}

/// Sums of the gradient of the weights.
template <class T>
struct WeightSum {
  const Patches& p;
  const T* x;
  const T* dy;

  /// Of some samples, into the filters from `first` to `last` of dw: whole groups, or some of one group. `matrix` is
  /// memory for the columns.
  void of_samples(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last, T* matrix, T* dw) const {
    for (std::int64_t n = begin; n < end; ++n) {
      for (std::int64_t filter = first; filter < last;) {
        const std::int64_t group = filter / p.filters;
        const std::int64_t count = std::min(last, (group + 1) * p.filters) - filter;
        p.gather({0, p.out}, x + (n * p.groups + group) * p.channels * p.in, matrix);
        const T* const gradient = dy + (n * p.groups * p.filters + filter) * p.out;
        gemm_serial(Product<T>{count,
                               p.rows(),
                               p.out,
                               {gradient, p.out, false},
                               {matrix, p.out, true},
                               dw + filter * p.rows(),
                               p.rows(),
                               1,
                               n > begin});
        filter += count;
      }
    }
  }
};

}  // namespace

Tensor plain_convolution(const ConvolutionGeometry& g, const Tensor& x_, const Tensor& w_, const Tensor& bias) {
  const Tensor x = dense(x_);
  const Tensor w = dense(w_);
  Tensor y = empty_tensor(g.y, x.scalar_type());
  const Patches p(g);
  dispatch_floating(x.scalar_type(), "convolution", [&](auto zero) {
    using T = decltype(zero);
    const auto* from = x.const_data_ptr<T>();
    const auto* weights = w.const_data_ptr<T>();
    auto* to = y.mutable_data_ptr<T>();
    const auto of_positions = [&](std::int64_t n, std::int64_t group, const Range& positions, T* columns) {
      const GroupOfSample at(p, n, group, from, weights, to);
      p.gather(positions, at.x, columns);
      gemm_serial(Product<T>{p.filters,
                             positions.size(),
                             p.rows(),
                             {at.w, p.rows(), false},
                             {columns, positions.size(), false},
                             at.y + positions.begin,
                             p.out,
                             1,
                             false});
    };
    for_each_group<T>(p, p.out, kPositions, p.rows(), of_positions);
  });
  if (bias.defined()) {
    add_to_channels(y, bias);
  }
  return y;
}

Tensor plain_convolution_input_gradient(const ConvolutionGeometry& g, const Tensor& dy_, const Tensor& w_) {
  const Tensor dy = dense(dy_);
  const Tensor w = dense(w_);
  Tensor dx = empty_tensor(g.x, dy.scalar_type());
  const Patches p(g);
  dispatch_floating(dy.scalar_type(), "convolution", [&](auto zero) {
    using T = decltype(zero);
    auto* to = dx.mutable_data_ptr<T>();
    const auto* weights = w.const_data_ptr<T>();
    const auto* from = dy.const_data_ptr<T>();
    const auto of_channels = [&](std::int64_t n, std::int64_t group, const Range& channels, T* columns) {
      const GroupOfSample at(p, n, group, to, weights, from);
      const Product<T> product{channels.size() * p.taps,
                               p.out,
                               p.filters,
                               {at.w + channels.begin * p.taps, p.rows(), true},
                               {at.y, p.out, false},
                               columns,
                               p.out,
                               1,
                               false};
      gemm_serial(product);
      std::fill_n(at.x + channels.begin * p.in, channels.size() * p.in, T{0});
      p.scatter(channels, columns, at.x);
    };
    // Products by one column would have to be cut at whole vectors.
    const std::int64_t step = p.out == 1 ? std::max<std::int64_t>(1, p.channels) : chunks_of(kRows, p.taps);
    for_each_group<T>(p, p.channels, step, p.taps * p.out, of_channels);
  });
  return dx;
}

Tensor plain_convolution_weight_gradient(const ConvolutionGeometry& g, const Tensor& x_, const Tensor& dy_) {
  const Tensor x = dense(x_);
  const Tensor dy = dense(dy_);
  const Patches p(g);
  const std::int64_t partials = std::min(p.batch, kMaxPartials);
  const std::int64_t elements = numel_of(g.w);
  const Tensor sums = empty_tensor({partials, elements}, x.scalar_type());
  const double nanoseconds = g.cost(x.scalar_type()).flop / kFlopPerNanosecond;
  // Parts of the batch, by shapes alone since that cuts a sum, times ranges of filters, whose number is free.
  const std::int64_t step = filters_of_piece(p, x.scalar_type());
  const std::int64_t count = p.groups * p.filters;
  const std::int64_t ranges = (free_pieces(partials * (count / step), nanoseconds) + partials - 1) / partials;
  dispatch_floating(x.scalar_type(), "convolution", [&](auto zero) {
    using T = decltype(zero);
    const WeightSum<T> sum{p, x.const_data_ptr<T>(), dy.const_data_ptr<T>()};
    parallel_for(partials * ranges, [&](std::int64_t i) {
      const std::int64_t part = i / ranges;
      const Tensor columns = empty_tensor({p.rows(), p.out}, x.scalar_type());
      sum.of_samples(part * p.batch / partials, (part + 1) * p.batch / partials,
                     begin_of_piece(i % ranges, ranges, count, step),
                     begin_of_piece(i % ranges + 1, ranges, count, step), columns.mutable_data_ptr<T>(),
                     sums.mutable_data_ptr<T>() + part * elements);
    });
  });
  const Tensor first = view_of(sums, {elements}, {1}, 0);
  for (std::int64_t part = 1; part < partials; ++part) {
    binary(functions::Add{}, first, first, view_of(sums, {elements}, {1}, part * elements));
  }
  if (partials == 1) {
    return view_of(sums, g.w, contiguous_strides(g.w), 0);
  }
  Tensor dw = empty_tensor(g.w, x.scalar_type());
  copy(view_of(dw, {elements}, {1}, 0), first);
  return dw;
}

}  // namespace backflow::kernels
