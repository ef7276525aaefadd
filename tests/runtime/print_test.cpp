// The strings are what PyTorch 1.13 prints.
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tensor/tensor.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/runtime/print_samples.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::string printed(const Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

}  // namespace

TEST_CASE("print: as PyTorch") {
  std::vector<PrintSample> samples = {
      {tensor({1, -2, 300}), "tensor([  1,  -2, 300])"},
      {tensor({1, 2}, kUInt8), "tensor([1, 2], dtype=torch.uint8)"},
      {tensor({1.0, 2.0}, kFloat64), "tensor([1., 2.], dtype=torch.float64)"},
      {tensor({true, false}), "tensor([ True, False])"},
      {tensor({true, true}), "tensor([True, True])"},
      {tensor(true), "tensor(True)"},
      {tensor({{true}, {false}}),
       "tensor([[ True],\n"
       "        [False]])"},
      {zeros({0}, kBool), "tensor([], dtype=torch.bool)"},
      {tensor({1, -2}, kInt32), "tensor([ 1, -2], dtype=torch.int32)"},
      {tensor({1.5, -2.0, 3.0}, kBFloat16), "tensor([ 1.5000, -2.0000,  3.0000], dtype=torch.bfloat16)"},
      {tensor({1.0, 2.0}, kBFloat16), "tensor([1., 2.], dtype=torch.bfloat16)"},
      {tensor({0.1, 1000.0}, kBFloat16), "tensor([1.0010e-01, 1.0000e+03], dtype=torch.bfloat16)"},
      {tensor(0.1, kBFloat16), "tensor(0.1001, dtype=torch.bfloat16)"},
      {tensor({{1, 2}, {-3, 4}}),
       "tensor([[ 1,  2],\n"
       "        [-3,  4]])"},
      {tensor(5), "tensor(5)"},
      {tensor(-0.5), "tensor(-0.5000)"},
      {tensor(3.0), "tensor(3.)"},
      {tensor(123456.789), "tensor(123456.7891)"},
      {tensor(1e-7), "tensor(1.0000e-07)"},
      {tensor(3.0, kFloat64), "tensor(3., dtype=torch.float64)"},
      {tensor(7, kUInt8), "tensor(7, dtype=torch.uint8)"},
      {tensor({1.0, 2.5, -3.25}), "tensor([ 1.0000,  2.5000, -3.2500])"},
      {tensor({1.0, 2.0, -3.0}), "tensor([ 1.,  2., -3.])"},
      {tensor({0.0, 0.0}), "tensor([0., 0.])"},
      {tensor({-0.0, 1.0}), "tensor([-0., 1.])"},
      {tensor({1e-5, 1.0}), "tensor([1.0000e-05, 1.0000e+00])"},
      {tensor({1e-5, 2e-5}), "tensor([1.0000e-05, 2.0000e-05])"},
      {tensor({1.5, 2000.0}), "tensor([1.5000e+00, 2.0000e+03])"},
      {tensor({1.5, 1000.0}), "tensor([   1.5000, 1000.0000])"},
      {tensor({1.0, 10000.0}), "tensor([1.0000e+00, 1.0000e+04])"},
      {tensor({1.0, 1000.0}), "tensor([   1., 1000.])"},
      {tensor({100000000.0, 200000000.0}), "tensor([1.0000e+08, 2.0000e+08])"},
      {tensor({200000000.0, 300000000.0}), "tensor([2.0000e+08, 3.0000e+08])"},
      {tensor({12345.678, 99999.5}, kFloat64), "tensor([12345.6780, 99999.5000], dtype=torch.float64)"},
      {tensor({0.00012, 0.01}), "tensor([0.0001, 0.0100])"},
      {tensor({1e300, 1e-300}, kFloat64), "tensor([1.0000e+300, 1.0000e-300], dtype=torch.float64)"},
      {tensor({kInf, 1.0}), "tensor([inf, 1.])"},
      {tensor({-kInf, 1.0}), "tensor([-inf, 1.])"},
      {tensor({kNan, 1.5}), "tensor([   nan, 1.5000])"},
      {tensor({kNan, kInf, -kInf}), "tensor([nan, inf, -inf])"},
      {tensor({kInf, 123.25}), "tensor([     inf, 123.2500])"},
      {tensor(kNan), "tensor(nan)"},
      {tensor(-kInf), "tensor(-inf)"},
      {tensor({-kInf, 2e8}), "tensor([      -inf, 2.0000e+08])"},
      {tensor({kNan, 3.0}), "tensor([nan, 3.])"},
      {arange(8).view({2, 2, 2}),
       "tensor([[[0, 1],\n"
       "         [2, 3]],\n"
       "\n"
       "        [[4, 5],\n"
       "         [6, 7]]])"},
      {arange(8.0).view({2, 2, 2}) / 3,
       "tensor([[[0.0000, 0.3333],\n"
       "         [0.6667, 1.0000]],\n"
       "\n"
       "        [[1.3333, 1.6667],\n"
       "         [2.0000, 2.3333]]])"},
      {arange(8.0).view({2, 2, 1, 2}),
       "tensor([[[[0., 1.]],\n"
       "\n"
       "         [[2., 3.]]],\n"
       "\n"
       "\n"
       "        [[[4., 5.]],\n"
       "\n"
       "         [[6., 7.]]]])"},
      {arange(6).view({2, 3}).t(),
       "tensor([[0, 3],\n"
       "        [1, 4],\n"
       "        [2, 5]])"},
      {zeros({0}), "tensor([])"},
      {zeros({0}, kInt64), "tensor([], dtype=torch.int64)"},
      {zeros({0}, kFloat64), "tensor([], dtype=torch.float64)"},
      {zeros({2, 0}), "tensor([], size=(2, 0))"},
      {zeros({0, 3}, kInt64), "tensor([], size=(0, 3), dtype=torch.int64)"},
      {zeros({0, 3}, kUInt8), "tensor([], size=(0, 3), dtype=torch.uint8)"},
      {zeros({2, 0}, requires_grad()), "tensor([], size=(2, 0), requires_grad=True)"},
      {zeros({0}, requires_grad()) * 2, "tensor([], grad_fn=<MulBackward0>)"},
      {tensor({1.0, 2.0}, requires_grad()), "tensor([1., 2.], requires_grad=True)"},
      {tensor({1.0, 2.0}, requires_grad()) + 1, "tensor([2., 3.], grad_fn=<AddBackward0>)"},
      {tensor({1.0, 2.0}, dtype(kFloat64).requires_grad(true)).exp(),
       "tensor([2.7183, 7.3891], dtype=torch.float64, grad_fn=<ExpBackward0>)"},
      {tensor({1.0, 2.0}, dtype(kFloat64).requires_grad(true)),
       "tensor([1., 2.], dtype=torch.float64, requires_grad=True)"},
      {tensor(2.0, requires_grad()).pow(2), "tensor(4., grad_fn=<PowBackward0>)"},
      {ones({9}, requires_grad()) * 1.5,
       "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
       "       grad_fn=<MulBackward0>)"},
      {ones({8}, requires_grad()) * 1.5,
       "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
       "       grad_fn=<MulBackward0>)"},
      {ones({7}, requires_grad()) * 1.5,
       "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
       "       grad_fn=<MulBackward0>)"},
      {ones({6}, requires_grad()) * 1.5,
       "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
       "       grad_fn=<MulBackward0>)"},
      {ones({2, 7}, dtype(kFloat64).requires_grad(true)) * 1.5,
       "tensor([[1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
       "        [1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000]],\n"
       "       dtype=torch.float64, grad_fn=<MulBackward0>)"},
      {ones({2, 5}, dtype(kFloat64).requires_grad(true)) * 1.5,
       "tensor([[1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
       "        [1.5000, 1.5000, 1.5000, 1.5000, 1.5000]], dtype=torch.float64,\n"
       "       grad_fn=<MulBackward0>)"},
      {ones({2, 6}, dtype(kFloat64).requires_grad(true)) * 1.5,
       "tensor([[1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
       "        [1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000]], dtype=torch.float64,\n"
       "       grad_fn=<MulBackward0>)"},
      {ones({20}, requires_grad()),
       "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.,\n"
       "        1., 1.], requires_grad=True)"},
      {ones({19}, requires_grad()),
       "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.,\n"
       "        1.], requires_grad=True)"},
      {ones({18}, requires_grad()),
       "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n"
       "       requires_grad=True)"},
      {ones({15}, requires_grad()),
       "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n"
       "       requires_grad=True)"},
      {ones({14}, requires_grad()),
       "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n"
       "       requires_grad=True)"},
      {ones({13}, requires_grad()),
       "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n"
       "       requires_grad=True)"},
      {ones({2, 13}, requires_grad()),
       "tensor([[1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n"
       "        [1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.]],\n"
       "       requires_grad=True)"},
      {ones({2, 12}, requires_grad()),
       "tensor([[1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n"
       "        [1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.]], requires_grad=True)"},
      {ones({2, 14}, requires_grad()),
       "tensor([[1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n"
       "        [1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.]],\n"
       "       requires_grad=True)"},
  };
  for (PrintSample& sample : long_print_samples()) {
    samples.push_back(std::move(sample));
  }
  for (const PrintSample& sample : samples) {
    CHECK(printed(sample.x) == sample.expected);
  }
}
