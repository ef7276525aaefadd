#include <backflow/runtime/tensor/tensor.h>

#include <sstream>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/error_of.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("tensor: geometry of a new tensor") {
  const Tensor x = zeros({2, 3, 4});
  CHECK(x.dim() == 3);
  CHECK(x.numel() == 24);
  CHECK(x.nbytes() == 96);
  CHECK(x.strides() == IntArrayRef({12, 4, 1}));
  CHECK(x.size(-1) == 4);
  CHECK(x.stride(-3) == 12);
  CHECK(x.is_contiguous());
  CHECK(reinterpret_cast<std::uintptr_t>(x.data_ptr()) % 64 == 0);
  CHECK(zeros({}).numel() == 1);
  CHECK(zeros({0, 3}).is_contiguous());
  CHECK(zeros({5, 3, 0}).transpose(0, 2).is_contiguous());
  CHECK_FALSE(Tensor().defined());
}

TEST_CASE("tensor: views share storage, copies do not") {
  const Tensor x = tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});
  const Tensor row = x[1];
  const Tensor column = x.t()[2];
  CHECK(row.data_ptr<float>() == x.data_ptr<float>() + 3);
  CHECK(column.sizes() == IntArrayRef({2}));
  CHECK(column.strides() == IntArrayRef({3}));
  CHECK_FALSE(x.t().is_contiguous());
  row.zero_();
  CHECK(bitwise_equal(x, tensor({{1.0, 2.0, 3.0}, {0.0, 0.0, 0.0}})));
  CHECK(x.clone().data_ptr() != x.data_ptr());
  CHECK(x.contiguous().is_same(x));
  CHECK(x.to(kFloat32).is_same(x));
  CHECK(x.reshape({3, 2}).data_ptr() == x.data_ptr());
  CHECK(x.t().reshape({6}).data_ptr() != x.data_ptr());
  CHECK(x.detach().data_ptr() == x.data_ptr());
}

TEST_CASE("tensor: dtypes have the names of PyTorch") {
  for (const auto& [dtype, long_name, alias] :
       {std::tuple(kFloat32, "float32", "float"), std::tuple(kFloat64, "float64", "double"),
        std::tuple(kInt64, "int64", "long"), std::tuple(kUInt8, "uint8", "byte")}) {
    CHECK(std::string(backflow::name(dtype)) == long_name);
    CHECK(dtype_from_name(long_name) == dtype);
    CHECK(dtype_from_name(alias) == dtype);
  }
  CHECK_THROWS_WITH(dtype_from_name("floaty"), StartsWith("dtype: unknown name 'floaty': need one of"));
  CHECK(zeros({2}).dtype() == kFloat32);
  CHECK(tensor({1, 2}).dtype() == kInt64);
  CHECK(tensor({1.5, 2.0}).dtype() == kFloat32);
}

TEST_CASE("tensor: item and numbers") {
  CHECK(tensor({2.5}).item<float>() == 2.5F);
  CHECK(tensor({{7}}).item<std::int64_t>() == 7);
  const std::int64_t big = (std::int64_t{1} << 62) + 1;
  CHECK(tensor({big}).item().to<std::int64_t>() == big);
  CHECK(tensor({3}).item().is_integral());
  CHECK_THROWS_WITH(zeros({2}).item(), Equals("item: f32[2] has 2 elements: need exactly one"));
  CHECK_THROWS_WITH(zeros({2}).data_ptr<double>(),
                    Equals("data_ptr: asked for f64 of f32: need the tensor's own dtype"));
  CHECK(result_type(kInt64, 1) == kInt64);
  CHECK(result_type(kInt64, 1.0) == kFloat32);
  CHECK(result_type(kFloat64, 1.0) == kFloat64);
}

TEST_CASE("tensor: what requires a gradient") {
  CHECK_THROWS_WITH(zeros({2}, kInt64).requires_grad_(),
                    Equals("requires_grad_: dtype i64: need a floating-point tensor"));
  const Tensor x = ones({2}, requires_grad());
  const Tensor y = x * 2;
  CHECK(x.is_leaf());
  CHECK_FALSE(y.is_leaf());
  CHECK(y.requires_grad());
  CHECK_FALSE(y.detach().requires_grad());
  CHECK_FALSE(y.to(kInt64).requires_grad());
  CHECK_THROWS_WITH(y.requires_grad_(false), ContainsSubstring("need a leaf"));
  CHECK(std::string(y.grad_fn()->name()) == "MulBackward0");
}

TEST_CASE("tensor: shapes that do not exist are errors") {
  CHECK_THROWS_WITH(zeros({std::int64_t{1} << 40, std::int64_t{1} << 40}),
                    ContainsSubstring("more than 2^63 elements"));
  CHECK_THROWS_WITH(zeros({2}).size(1), Equals("size: dimension 1 of a tensor with 1 dimensions: need one in [-1, 0]"));
  CHECK_THROWS_AS(Tensor().dim(), Error);
}

TEST_CASE("memory: storage is counted, and counted down") {
  const std::int64_t before = memory_stats().current_bytes;
  reset_peak_memory();
  {
    const Tensor x = zeros({1024, 1024});
    const Tensor view = x[0];
    CHECK(memory_stats().current_bytes - before >= 4 << 20);
    CHECK(memory_stats().current_bytes - before < (4 << 20) + 4096);
  }
  CHECK(memory_stats().current_bytes - before < 4096);
  CHECK(memory_stats().peak_bytes - before >= 4 << 20);
  reset_peak_memory();
  CHECK(memory_stats().peak_bytes - before < 4096);
}

TEST_CASE("tensor: sizes behind a 0 are bounded as all are") {
  constexpr std::int64_t kLarge = std::int64_t{1} << 40;
  CHECK(empty_tensor({0, kLarge}, kFloat32).stride(0) == kLarge);
  CHECK(error_of([&] {
          empty_tensor({0, kLarge, kLarge}, kFloat32);
        }) == "tensor: [0, 1099511627776, 1099511627776] has strides of more than 2^63 elements: need smaller sizes");
}
