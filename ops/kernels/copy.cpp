// Copies between layouts and dtypes.
#include <algorithm>

#include <backflow/ops/kernels/elementwise.h>
#include <backflow/ops/kernels/strided.h>
#include <backflow/runtime/threads.h>

namespace backflow::kernels {

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
