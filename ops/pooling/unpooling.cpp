// The partial inverse of max pooling.
#include <limits>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/indexing/indices_internal.h>
#include <backflow/ops/operators.h>

namespace backflow {
namespace {

using namespace detail;

/// The number of elements of a plane of these sizes.
std::int64_t area_of(const char* where, IntArrayRef output_size, std::size_t dims) {
  check(output_size.size() == dims, where, ": output_size ", output_size, ": need ", dims, " sizes");
  std::int64_t area = 1;
  for (const std::int64_t size : output_size) {
    check(size > 0 && size <= std::numeric_limits<std::int32_t>::max() / area, where, ": output_size ", output_size,
          ": need sizes from 1 on, and at most ", std::numeric_limits<std::int32_t>::max(), " elements in a plane");
    area *= size;
  }
  return area;
}

Tensor unpooled(const char* where, const Tensor& x, const Tensor& indices, IntArrayRef output_size, std::size_t dims) {
  const auto rank = static_cast<std::size_t>(x.dim());
  check(x.is_floating_point() && (rank == dims + 1 || rank == dims + 2), where, ": input ", describe(x),
        ": need floating-point numbers [batch, channels, ...] or [channels, ...] with ", dims, " spatial dimensions");
  check(indices.scalar_type() == kInt64 && indices.sizes() == x.sizes(), where, ": indices ", describe(indices),
        ", input ", describe(x), ": need i64 indices of the input's shape");
  const std::int64_t area = area_of(where, output_size, dims);
  const Tensor line = indices.is_contiguous() ? indices : row_major_copy(indices);
  const auto* const index = line.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < line.numel(); ++i) {
    check(index[i] >= 0 && index[i] < area, where, ": index ", index[i], " at ", i, ": need one in [0, ", area,
          "), a place in a plane of sizes ", output_size);
  }
  DimVector lead(x.sizes());
  std::int64_t positions = 1;
  for (std::size_t d = 0; d < dims; ++d) {
    positions *= lead.back();
    lead.pop_back();
  }
  DimVector planes = lead;
  planes.push_back(positions);
  DimVector plane = lead;
  plane.push_back(area);
  for (const std::int64_t size : output_size) {
    lead.push_back(size);
  }
  return reshape(scatter(zeros(plane, x.scalar_type()), -1, reshape(line, planes), reshape(x, planes)), lead);
}

struct MaxUnpool2d {
  static constexpr OperatorInfo info = {
      .signature = "max_unpool2d(Tensor input, Tensor indices, int[] output_size) -> Tensor",
      .formula = "y[i] = x where an index is i, else 0;  dx = dy[i]",
      .doc =
          "Planes of output_size, a height and a width, of inputs [batch, channels, height, width] or [channels, "
          "height, width], with the input's elements at the int64 indices that max_pool2d_with_indices gave, zeros "
          "elsewhere. Of equal indices the last counts. An Error for indices outside of the plane.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& indices, IntArrayRef output_size) {
    return unpooled(info.name, x, indices, output_size, 2);
  }
};

struct MaxUnpool3d {
  static constexpr OperatorInfo info = {
      .signature =
          "max_unpool3d(Tensor input, Tensor indices, int[] output_size, int[] stride, int[] padding) -> Tensor",
      .formula = "y[i] = x where an index is i, else 0;  dx = dy[i]",
      .doc =
          "As max_unpool2d, with depth, height and width. stride, three numbers > 0, and padding, three numbers, "
          "change nothing.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& indices, IntArrayRef output_size, IntArrayRef stride,
                        IntArrayRef padding) {
    check(stride.size() == 3 && stride[0] > 0 && stride[1] > 0 && stride[2] > 0 && padding.size() == 3, info.name,
          ": stride ", stride, ", padding ", padding, ": need three numbers > 0, and three");
    return unpooled(info.name, x, indices, output_size, 3);
  }
};

}  // namespace

#include <backflow/ops/unpooling_functions.inc>

OperatorFamily unpooling_operators() { return family<MaxUnpool2d, MaxUnpool3d>("unpooling"); }

}  // namespace backflow
