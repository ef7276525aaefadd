#include <backflow/ops/kernels/pooling/pooling_pieces.h>

namespace backflow::kernels {
namespace {

PoolWindow adaptive_window(const PoolAxis& axis, std::int64_t o) {
  // (o + 1) * size may be large, o * (size / outputs) is not.
  const std::int64_t whole = axis.size / axis.outputs;
  const std::int64_t rest = axis.size % axis.outputs;
  const std::int64_t first = o * whole + o * rest / axis.outputs;
  const std::int64_t end = (o + 1) * whole + ((o + 1) * rest + axis.outputs - 1) / axis.outputs;
  const auto n = static_cast<std::int32_t>(end - first);
  return {first, 0, n, n};
}

PoolWindow window(const PoolAxis& axis, std::int64_t o, bool counts_padding) {
  const std::int64_t first = o * axis.stride - axis.padding;
  const auto reaches = [&](std::int64_t end) {  // how many elements lie before `end`
    return std::clamp<std::int64_t>((end - first + axis.dilation - 1) / axis.dilation, 0, axis.kernel);
  };
  const auto lo = static_cast<std::int32_t>(first < 0 ? reaches(0) : 0);
  const auto hi = static_cast<std::int32_t>(first < axis.size ? reaches(axis.size) : 0);
  const std::int64_t padded = axis.size + axis.padding;
  const std::int64_t counted = counts_padding ? (first < padded ? reaches(padded) : 0) : std::max(hi - lo, 0);
  return {first, lo, hi, static_cast<std::int32_t>(counted)};
}

bool tiles(const PoolAxis& axis, const PoolWindow* windows) {
  std::int64_t next = 0;
  for (std::int64_t o = 0; o < axis.outputs; ++o) {
    const PoolWindow& w = windows[o];
    if ((axis.dilation != 1 && w.hi - w.lo > 1) || w.empty() || w.first + w.lo * axis.dilation != next) {
      return false;
    }
    next += w.hi - w.lo;
  }
  return next == axis.size;
}

}  // namespace

Tables::Tables(const Pooling& p) {
  const std::int64_t count = p.axes[0].outputs + p.axes[1].outputs + p.axes[2].outputs;
  if (count > static_cast<std::int64_t>(few_.size())) {
    many_.resize(static_cast<std::size_t>(count));
  }
  PoolWindow* next = many_.empty() ? few_.data() : many_.data();
  tables_.tiles = true;
  for (std::size_t i = 0; i < 3; ++i) {
    const PoolAxis& axis = p.axes[i];
    tables_.windows[i] = next;
    tables_.outputs[i] = axis.outputs;
    tables_.sizes[i] = axis.size;
    tables_.kernels[i] = axis.kernel;
    for (std::int64_t o = 0; o < axis.outputs; ++o, ++next) {
      *next = axis.stride == 0 ? adaptive_window(axis, o) : window(axis, o, p.counts_padding);
    }
    tables_.strides[i] = axis.stride;
    tables_.paddings[i] = axis.padding;
    tables_.dilations[i] = axis.dilation;
    tables_.tiles = tables_.tiles && tiles(axis, tables_.windows[i]);
  }
  const std::int64_t width = p.axes[2].size;
  tables_.steps = {p.axes[0].dilation * p.axes[1].size * width * p.x.block, p.axes[1].dilation * width * p.x.block,
                   p.axes[2].dilation * p.x.block};
  tables_.block = p.x.block;
  tables_.divisor = p.divisor;
  tables_.wide_choice = p.choice_dtype() != kUInt8;
  find_whole(p.axes[2]);
}

void Tables::find_whole(const PoolAxis& axis) {
  const auto is_whole = [&](std::int64_t o) {
    const PoolWindow& w = tables_.windows[2][o];
    return w.lo == 0 && w.hi == axis.kernel;
  };
  std::int64_t from = 0;
  while (from < axis.outputs && !is_whole(from)) {
    ++from;
  }
  std::int64_t to = from;
  while (to < axis.outputs && is_whole(to)) {
    ++to;
  }
  tables_.whole_from = from;
  tables_.whole_to = to;
}

}  // namespace backflow::kernels
