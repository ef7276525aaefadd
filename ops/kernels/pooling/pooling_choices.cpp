// What follows from the elements that a max pooling chose.
#include <algorithm>
#include <array>
#include <type_traits>

#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/pooling/pooling_pieces.h>

namespace backflow::kernels {
namespace {

/// Where the elements of a window lie, from the first one on.
class Offsets {
 public:
  explicit Offsets(const PoolTables& p) : p_(p) {
    const std::int64_t window = std::min<std::int64_t>(256, p.kernels[0] * p.kernels[1] * p.kernels[2]);
    for (std::int64_t i = 0; i < window; ++i) {
      few_[static_cast<std::size_t>(i)] = offset_of(i);
    }
  }
  std::int64_t operator[](std::uint8_t number) const { return few_[number]; }
  std::int64_t operator[](std::int32_t number) const { return offset_of(number); }

 private:
  std::int64_t offset_of(std::int64_t number) const {
    const std::int64_t area = p_.kernels[1] * p_.kernels[2];
    return number / area * p_.steps[0] + number % area / p_.kernels[2] * p_.steps[1] +
           number % p_.kernels[2] * p_.steps[2];
  }

  const PoolTables& p_;
  std::array<std::int64_t, 256> few_{};
};

/// Calls f(output, element) for the choices of row (i, j) of outputs, with offsets of elements in the plane of y and in
/// that of x.
template <class C, class F>
void for_each_of_row(const PoolTables& p, const Offsets& offsets, std::int64_t i, std::int64_t j, const C* choice,
                     std::size_t lanes, const F& f) {
  const PoolWindow& d = p.windows[0][i];
  const PoolWindow& h = p.windows[1][j];
  const std::int64_t row = (d.first * p.sizes[1] + h.first) * p.sizes[2];
  std::int64_t o = (i * p.outputs[1] + j) * p.outputs[2] * p.block;
  for (std::int64_t k = 0; k < p.outputs[2]; ++k, o += p.block) {
    const PoolWindow& w = p.windows[2][k];
    const std::int64_t first = (row + w.first) * p.block;
    for (std::int64_t c = 0; c < static_cast<std::int64_t>(lanes); ++c) {
      f(o + c, first + offsets[choice[o + c]] + c);
    }
  }
}

/// Calls f(choices) with those of a plane, that starts at element `at`, in their dtype.
template <class F>
void with_choices(const PoolTables& p, const Tensor& choice, std::int64_t at, const F& f) {
  if (p.wide_choice) {
    f(choice.const_data_ptr<std::int32_t>() + at);
  } else {
    f(choice.const_data_ptr<std::uint8_t>() + at);
  }
}

/// Calls f(output, element) for all choices of a piece of the outputs.
template <class F>
void for_each_choice(const PoolTables& p, const Offsets& offsets, const PoolPiece& piece, const Tensor& choice,
                     std::int64_t at, const F& f) {
  with_choices(p, choice, at, [&](const auto* choices) {
    for (std::int64_t i = piece.part.from[0]; i < piece.part.to[0]; ++i) {
      for (std::int64_t j = piece.part.from[1]; j < piece.part.to[1]; ++j) {
        for_each_of_row(p, offsets, i, j, choices, piece.lanes, f);
      }
    }
  });
}

/// Whether a window may have elements in [from, to).
bool reaches(const PoolWindow& w, std::int64_t dilation, std::int64_t from, std::int64_t to) {
  return w.first < to && w.first + w.hi * dilation > from;
}

/// Adds dy to the chosen elements of a piece of dx.
template <class T>
void scatter(const Pooling& p, const PoolTables& tables, const Offsets& offsets, const PoolPiece& piece, T* plane,
             const T* dy, const Tensor& choice, std::int64_t at) {
  const PoolPart& part = piece.part;
  const PoolPositions positions(p, part);
  const std::int64_t from = positions.from * p.x.block;
  const std::int64_t to = positions.to * p.x.block;
  with_choices(tables, choice, at, [&](const auto* choices) {
    for (std::int64_t i = 0; i < tables.outputs[0]; ++i) {
      for (std::int64_t j = 0; j < tables.outputs[1]; ++j) {
        if (reaches(tables.windows[0][i], tables.dilations[0], part.from[0], part.to[0]) &&
            reaches(tables.windows[1][j], tables.dilations[1], part.from[1], part.to[1])) {
          for_each_of_row(tables, offsets, i, j, choices, piece.lanes, [&](std::int64_t o, std::int64_t element) {
            if (element >= from && element < to) {
              plane[element] += dy[o];
            }
          });
        }
      }
    }
  });
}

/// A piece of dx, in the way that suits the windows best; all give the same sums.
template <class T>
void backward_piece(const Pooling& p, const Tables& tables, const Offsets& offsets, const PoolPiece& piece, T* plane,
                    const T* dy, const Tensor& choice, std::int64_t at) {
  if constexpr (std::is_same_v<T, float>) {
    if (p.x.block == 1 && gathers(*tables)) {
      pool_gather(*tables, piece.part, plane, dy, choice.const_data_ptr<std::uint8_t>() + at);
      return;
    }
  }
  // Each lane compares its choice with every element of the window: good for small ones.
  const auto compare = p.x.block >= 4 && p.window() <= 16 ? pool_gradient_loops<T>().max : nullptr;
  if (compare == nullptr || !tables->tiles) {
    clear_part(p, piece, plane);
  }
  if (compare != nullptr) {
    compare(*tables, piece.part, plane, dy, choice.const_data_ptr<std::uint8_t>() + at, piece.lanes);
  } else {
    scatter(p, *tables, offsets, piece, plane, dy, choice, at);
  }
}

}  // namespace

void max_pool_backward(const Pooling& p, const Tensor& dx, const Tensor& dy, const Tensor& choice) {
  const Tables tables(p);
  const Offsets offsets(*tables);
  const std::int64_t outputs = p.y().spatial;
  dispatch_floating(dx.scalar_type(), "max_pool_backward", [&](auto zero) {
    using T = decltype(zero);
    T* const to = dx.mutable_data_ptr<T>();
    const T* const from = dy.const_data_ptr<T>();
    for_each_piece_of_inputs(p, dx.scalar_type(), [&](const PoolPiece& piece) {
      const std::int64_t at = piece.at(outputs, p.x.block);
      backward_piece(p, tables, offsets, piece, to + piece.at(p.x.spatial, p.x.block), from + at, choice, at);
    });
  });
}

void choose(const Pooling& p, const Tensor& y, const Tensor& x, const Tensor& choice) {
  const Tables tables(p);
  const Offsets offsets(*tables);
  const std::int64_t outputs = p.y().spatial;
  const std::int64_t block = p.x.block;
  dispatch_floating(x.scalar_type(), "choose", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    for_each_piece_of_outputs(p, x.scalar_type(), [&](const PoolPiece& piece) {
      const std::int64_t at = piece.at(outputs, block);
      const T* const plane = from + piece.at(p.x.spatial, block);
      for_each_choice(*tables, offsets, piece, choice, at,
                      [&](std::int64_t o, std::int64_t i) { to[at + o] = plane[i]; });
    });
  });
}

void choice_indices(const Pooling& p, const Tensor& indices, const Tensor& choice) {
  const Tables tables(p);
  const Offsets offsets(*tables);
  const std::int64_t outputs = p.y().spatial;
  const std::int64_t block = p.x.block;
  auto* const to = indices.mutable_data_ptr<std::int64_t>();
  for_each_piece_of_outputs(p, indices.scalar_type(), [&](const PoolPiece& piece) {
    const std::int64_t at = piece.at(outputs, block);
    for_each_choice(*tables, offsets, piece, choice, at,
                    [&](std::int64_t o, std::int64_t i) { to[at + o] = i / block; });
  });
  clear_padding({indices, p.y()});
}

}  // namespace backflow::kernels
