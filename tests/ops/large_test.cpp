// Results that are too large for the caches are written past them: the same bits as in small pieces.
#include <functional>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr std::int64_t kRows = 2051;
constexpr std::int64_t kColumns = 4099;  // 32 MiB of float32 and a little, no multiple of anything

Tensor operand(double step, ScalarType dtype) {
  Tensor x = empty({kRows, kColumns}, dtype);
  dispatch_floating(dtype, "operand", [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      x.data_ptr<T>()[i] = static_cast<T>(static_cast<double>(i % 1000) * step - 3);
    }
  });
  return x;
}

using Call = std::function<Tensor(const Tensor& x, const Tensor& w)>;

/// `call` on everything against `call` row by row.
void check_rows(const Call& call, const Tensor& x, const Tensor& w) {
  const Tensor y = call(x, w);
  CHECK(reinterpret_cast<std::uintptr_t>(y.data_ptr()) % 64 == 0);
  for (std::int64_t r = 0; r < kRows; r += r % 100 == 0 ? 1 : 33) {
    CAPTURE(r);
    const Tensor row = call(x.select(0, r), w.dim() == 2 ? w.select(0, r) : w);
    REQUIRE(bitwise_equal(y.select(0, r).contiguous(), row));
  }
}

}  // namespace

TEST_CASE("large results: the same bits as row by row") {
  const NoGradGuard guard;
  const int threads = get_num_threads();
  for (const ScalarType dtype : {kFloat32, kFloat64}) {
    const Tensor x = operand(0.007, dtype);
    const Tensor w = operand(0.011, dtype);
    for (const int n : {1, 3}) {
      set_num_threads(n);
      CAPTURE(dtype, n);
      check_rows([](const Tensor& a, const Tensor& b) { return a + b; }, x, w);
      check_rows([](const Tensor& a, const Tensor& b) { return a * b; }, x, w.select(0, 1));
      check_rows([](const Tensor& a, const Tensor& b) { return relu_backward(a, b); }, x, w);
      check_rows([](const Tensor& a, const Tensor&) { return a * 0.5; }, x, w);
      check_rows([](const Tensor& a, const Tensor&) { return exp(a); }, x, w);
    }
  }
  set_num_threads(threads);
}

TEST_CASE("large results: in place, and where lines begin in the middle of a row") {
  const NoGradGuard guard;
  const Tensor x = operand(0.007, kFloat32);
  const Tensor sum = x + x;
  Tensor y = x.clone();
  y.add_(x);
  CHECK(bitwise_equal(y, sum));
  y = x.clone();
  y.add_(y);
  CHECK(bitwise_equal(y, sum));
  Tensor shifted = empty({x.numel() + 3}).slice(0, 3).view({kRows, kColumns});
  shifted.copy_(x);
  CHECK(bitwise_equal(shifted + shifted, sum));
  shifted.relu_();
  CHECK(bitwise_equal(shifted.contiguous(), x.relu()));
}
