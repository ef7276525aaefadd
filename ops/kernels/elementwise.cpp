#include <backflow/ops/kernels/elementwise.h>

#include <algorithm>
#include <cassert>
#include <type_traits>

#include <backflow/ops/kernels/strided.h>
#include <backflow/ops/kernels/vector_loops.h>
#include <backflow/runtime/threads.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kBlock = 512;  // elements of a strided operand that are gathered at a time

/// The elements [begin, begin + n) of operand k, contiguous or one for all; gathered into `block` when they are
/// strided.
template <class T, std::size_t N>
std::pair<const T*, Stride> operand(const StridedLoop<N>& loop, std::size_t k, const T* data, std::int64_t begin,
                                    std::int64_t n, T* block) {
  const std::int64_t stride = loop.inner_stride(k);
  if (begin % loop.inner_size() + n <= loop.inner_size() && stride <= 1 && stride >= 0) {
    return {data + loop.offset(k, begin), static_cast<Stride>(stride)};
  }
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t row = std::min(n - i, loop.inner_size() - (begin + i) % loop.inner_size());
    const T* from = data + loop.offset(k, begin + i);
    for (std::int64_t j = 0; j < row; ++j) {
      block[i + j] = from[j * stride];
    }
    i += row;
  }
  return {block, Stride::One};
}

template <class T, std::size_t N>
void scatter(const StridedLoop<N>& loop, T* data, std::int64_t begin, std::int64_t n, const T* block) {
  const std::int64_t stride = loop.inner_stride(0);
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t row = std::min(n - i, loop.inner_size() - (begin + i) % loop.inner_size());
    T* to = data + loop.offset(0, begin + i);
    for (std::int64_t j = 0; j < row; ++j) {
      to[j * stride] = block[i + j];
    }
    i += row;
  }
}

/// Cuts the loop into chunks for the threads and each chunk into pieces on which every operand is contiguous: whole
/// rows where these are long, else blocks that are gathered first. Calls piece(begin, n) for each.
template <std::size_t N, class Piece>
void for_each_piece(const StridedLoop<N>& loop, std::int64_t numel, const Piece& piece) {
  const bool long_rows = loop.inner_size() >= kBlock;
  parallel_for(chunks_of(numel, kElementwiseChunk), [&](std::int64_t chunk) {
    const std::int64_t end = std::min(numel, (chunk + 1) * kElementwiseChunk);
    for (std::int64_t i = chunk * kElementwiseChunk; i < end;) {
      std::int64_t n = std::min(end - i, kBlock);
      if (long_rows) {
        n = std::min(end - i, loop.inner_size() - i % loop.inner_size());
      }
      piece(i, n);
      i += n;
    }
  });
}

/// Runs `f(operands..., y, n)` over pieces, gathering and scattering what is strided.
template <class T, std::size_t N, class F>
void run_loop(const Tensor& y, const std::array<const Tensor*, N>& tensors, const F& f) {
  const StridedLoop<N> loop(y.sizes(), tensors);
  std::array<T*, N> data;
  for (std::size_t k = 0; k < N; ++k) {
    data[k] = tensors[k]->template data_ptr<T>();
  }
  // A piece is longer than a block only when rows are long; then operands with other strides are taken block by block.
  bool whole_rows = true;
  for (std::size_t k = 0; k < N; ++k) {
    whole_rows = whole_rows && loop.inner_stride(k) <= 1 && loop.inner_stride(k) >= 0;
  }
  whole_rows = whole_rows && loop.inner_stride(0) == 1;
  for_each_piece(loop, y.numel(), [&](std::int64_t begin, std::int64_t length) {
    alignas(64) T blocks[N][kBlock];
    const std::int64_t step = whole_rows ? length : kBlock;
    for (std::int64_t i = begin; i < begin + length; i += step) {
      const std::int64_t n = std::min(step, begin + length - i);
      std::array<std::pair<const T*, Stride>, N> in;
      for (std::size_t k = 1; k < N; ++k) {
        in[k] = operand(loop, k, static_cast<const T*>(data[k]), i, n, blocks[k]);
      }
      const bool direct = loop.inner_stride(0) == 1 && i % loop.inner_size() + n <= loop.inner_size();
      T* out = direct ? data[0] + loop.offset(0, i) : blocks[0];
      f(in, out, static_cast<std::size_t>(n));
      if (!direct) {
        scatter(loop, data[0], i, n, out);
      }
    }
  });
}

/// The integer form of a binary function; there is one for ring operations and comparisons alone. Integers wrap, as in
/// PyTorch.
template <class T>
T integer_binary(Binary f, T a, T b) {
  using U = std::make_unsigned_t<T>;
  const U x = static_cast<U>(a);
  const U w = static_cast<U>(b);
  switch (f) {
    case Binary::Add:
      return static_cast<T>(x + w);
    case Binary::Sub:
      return static_cast<T>(x - w);
    case Binary::Maximum:
      return std::max(a, b);
    case Binary::Minimum:
      return std::min(a, b);
    default:
      assert(f == Binary::Mul);
      return static_cast<T>(x * w);
  }
}

template <class T>
T integer_unary(Unary f, T x) {
  switch (f) {
    case Unary::Abs:
      return x < T{0} ? integer_binary(Binary::Sub, T{0}, x) : x;
    case Unary::Sign:
      return static_cast<T>((x > T{0}) - (x < T{0}));
    default:
      assert(f == Unary::Neg);
      return integer_binary(Binary::Sub, T{0}, x);
  }
}

template <class T>
void binary_piece(Binary f, std::pair<const T*, Stride> a, std::pair<const T*, Stride> b, T* y, std::size_t n) {
  if constexpr (std::is_floating_point_v<T>) {
    vector_loops<T>().binary[static_cast<std::size_t>(f)](a.first, a.second, b.first, b.second, y, n);
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = integer_binary(f, a.first[i * static_cast<std::size_t>(a.second)],
                            b.first[i * static_cast<std::size_t>(b.second)]);
    }
  }
}

constexpr std::int64_t kSmall = 4096;  // elements below which a contiguous operation is one call of one loop

/// Whether all elements of `x` broadcast to more are one and the same.
bool is_one_element(const Tensor& x) {
  for (std::size_t d = 0; d < x.sizes().size(); ++d) {
    if (x.sizes()[d] != 1 && x.strides()[d] != 0) {
      return false;
    }
  }
  return true;
}

/// An operand of a small row-major `y` that one call of one loop can read as it is: contiguous, or one element.
template <class T>
struct FlatOperand {
  FlatOperand(const Tensor& x, const Tensor& y) {
    if (x.is_contiguous() && x.numel() == y.numel()) {
      in = {x.data_ptr<T>(), Stride::One};
    } else if (is_one_element(x)) {
      in = {x.data_ptr<T>(), Stride::Zero};
    }
  }
  explicit operator bool() const { return in.first != nullptr; }

  std::pair<const T*, Stride> in = {nullptr, Stride::One};
};

bool is_small_and_flat(const Tensor& y) { return y.numel() <= kSmall && y.is_contiguous(); }

/// Runs `piece(a, b, y, n)` over pieces of the operands of `y`: one piece when it is small.
template <class T, class Piece>
void run_binary(const Tensor& y, const Tensor& a, const Tensor& b, const Piece& piece) {
  if (is_small_and_flat(y)) {
    const FlatOperand<T> flat_a(a, y);
    const FlatOperand<T> flat_b(b, y);
    if (flat_a && flat_b) {
      piece(flat_a.in, flat_b.in, y.data_ptr<T>(), static_cast<std::size_t>(y.numel()));
      return;
    }
  }
  run_loop<T, 3>(y, {&y, &a, &b}, [&](const auto& in, T* out, std::size_t n) { piece(in[1], in[2], out, n); });
}

}  // namespace

void unary(Unary f, const Tensor& y, const Tensor& x) {
  dispatch(y.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const auto piece = [f](std::pair<const T*, Stride> in, T* out, std::size_t n) {
      if constexpr (std::is_floating_point_v<T>) {
        vector_loops<T>().unary[static_cast<std::size_t>(f)](in.first, out, n);
      } else {
        for (std::size_t i = 0; i < n; ++i) {
          out[i] = integer_unary(f, in.first[i]);
        }
      }
    };
    if (y.is_contiguous() && x.is_contiguous() && y.numel() <= kSmall) {
      piece({x.data_ptr<T>(), Stride::One}, y.data_ptr<T>(), static_cast<std::size_t>(y.numel()));
      return;
    }
    run_loop<T, 2>(y, {&y, &x}, [&](const auto& in, T* out, std::size_t n) {
      T copies[kBlock];
      auto source = in[1];
      if (source.second == Stride::Zero) {  // an expanded operand: the loop wants it written out
        for (std::size_t i = 0; i < n; i += kBlock) {
          const std::size_t m = std::min(n - i, static_cast<std::size_t>(kBlock));
          std::fill_n(copies, m, *source.first);
          piece({copies, Stride::One}, out + i, m);
        }
      } else {
        piece(source, out, n);
      }
    });
  });
}

void binary(Binary f, const Tensor& y, const Tensor& a, const Tensor& b) {
  dispatch(y.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    run_binary<T>(y, a, b, [f](const auto& in_a, const auto& in_b, T* out, std::size_t n) {
      binary_piece<T>(f, in_a, in_b, out, n);
    });
  });
}

void binary(Binary f, const Tensor& y, const Tensor& a, const Tensor& b, const Scalar& factor) {
  dispatch_floating(y.scalar_type(), "add", [&](auto zero) {
    using T = decltype(zero);
    const T number = factor.to<T>();
    const auto piece = [&](std::pair<const T*, Stride> in_a, std::pair<const T*, Stride> in_b, T* out, std::size_t n) {
      alignas(64) T products[kBlock];
      for (std::size_t i = 0; i < n; i += kBlock) {
        const std::size_t m = std::min(n - i, static_cast<std::size_t>(kBlock));
        const auto at = [i](const auto& in) { return in.first + i * static_cast<std::size_t>(in.second); };
        binary_piece<T>(Binary::Mul, {at(in_b), in_b.second}, {&number, Stride::Zero}, products, m);
        binary_piece<T>(f, {at(in_a), in_a.second}, {products, Stride::One}, out + i, m);
      }
    };
    run_binary<T>(y, a, b, piece);
  });
}

void binary(Binary f, const Tensor& y, const Tensor& a, const Scalar& b) {
  dispatch(y.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T number = b.to<T>();
    if (is_small_and_flat(y)) {
      if (const FlatOperand<T> flat(a, y); flat) {
        binary_piece<T>(f, flat.in, {&number, Stride::Zero}, y.data_ptr<T>(), static_cast<std::size_t>(y.numel()));
        return;
      }
    }
    run_loop<T, 2>(y, {&y, &a}, [&](const auto& in, T* out, std::size_t n) {
      binary_piece<T>(f, in[1], {&number, Stride::Zero}, out, n);
    });
  });
}

void binary(Binary f, const Tensor& y, const Scalar& a, const Tensor& b) {
  dispatch(y.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T number = a.to<T>();
    run_loop<T, 2>(y, {&y, &b}, [&](const auto& in, T* out, std::size_t n) {
      binary_piece<T>(f, {&number, Stride::Zero}, in[1], out, n);
    });
  });
}

void copy(const Tensor& y, const Tensor& x) {
  const StridedLoop<2> loop(y.sizes(), {&y, &x});
  const std::int64_t row = loop.inner_size();
  dispatch(y.scalar_type(), [&](auto to) {
    dispatch(x.scalar_type(), [&](auto from) {
      using To = decltype(to);
      using From = decltype(from);
      To* target = y.data_ptr<To>();
      const From* source = x.data_ptr<From>();
      parallel_for(chunks_of(y.numel(), kElementwiseChunk), [&](std::int64_t chunk) {
        const std::int64_t end = std::min(y.numel(), (chunk + 1) * kElementwiseChunk);
        for (std::int64_t i = chunk * kElementwiseChunk; i < end;) {
          const std::int64_t n = std::min(end - i, row - i % row);
          To* out = target + loop.offset(0, i);
          const From* in = source + loop.offset(1, i);
          const std::int64_t so = loop.inner_stride(0);
          const std::int64_t si = loop.inner_stride(1);
          if (so == 1 && si == 1) {
            std::transform(in, in + n, out, [](From v) { return static_cast<To>(v); });
          } else {
            for (std::int64_t j = 0; j < n; ++j) {
              out[j * so] = static_cast<To>(in[j * si]);
            }
          }
          i += n;
        }
      });
    });
  });
}

void fill(const Tensor& y, const Scalar& value) {
  dispatch(y.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T number = value.to<T>();
    if (y.is_contiguous()) {
      std::fill_n(y.data_ptr<T>(), y.numel(), number);
      return;
    }
    Tensor one = empty_tensor({}, y.scalar_type());
    *one.data_ptr<T>() = number;
    copy(y, one);
  });
}

}  // namespace backflow::kernels
