// The tables are those of torch.promote_types and torch.result_type in PyTorch 1.13.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tensor/dtype.h>
#include <backflow/runtime/tensor/scalar.h>

#include <backflow/tests/catch2.h>

using namespace backflow;

namespace {

constexpr std::size_t kCount = std::size(kAllDtypes);

constexpr ScalarType kPromoted[kCount][kCount] = {
    {kBool, kUInt8, kInt32, kInt64, kBFloat16, kFloat32, kFloat64},
    {kUInt8, kUInt8, kInt32, kInt64, kBFloat16, kFloat32, kFloat64},
    {kInt32, kInt32, kInt32, kInt64, kBFloat16, kFloat32, kFloat64},
    {kInt64, kInt64, kInt64, kInt64, kBFloat16, kFloat32, kFloat64},
    {kBFloat16, kBFloat16, kBFloat16, kBFloat16, kBFloat16, kFloat32, kFloat64},
    {kFloat32, kFloat32, kFloat32, kFloat32, kFloat32, kFloat32, kFloat64},
    {kFloat64, kFloat64, kFloat64, kFloat64, kFloat64, kFloat64, kFloat64},
};

/// A tensor with dimensions and one without.
constexpr ScalarType kWithoutDimensions[kCount][kCount] = {
    {kBool, kUInt8, kInt32, kInt64, kBFloat16, kFloat32, kFloat64},
    {kUInt8, kUInt8, kUInt8, kUInt8, kBFloat16, kFloat32, kFloat64},
    {kInt32, kInt32, kInt32, kInt32, kBFloat16, kFloat32, kFloat64},
    {kInt64, kInt64, kInt64, kInt64, kBFloat16, kFloat32, kFloat64},
    {kBFloat16, kBFloat16, kBFloat16, kBFloat16, kBFloat16, kBFloat16, kBFloat16},
    {kFloat32, kFloat32, kFloat32, kFloat32, kFloat32, kFloat32, kFloat32},
    {kFloat64, kFloat64, kFloat64, kFloat64, kFloat64, kFloat64, kFloat64},
};

/// A tensor and a truth value, an integer and a fraction.
constexpr ScalarType kWithNumber[kCount][3] = {
    {kBool, kInt64, kFloat32},      {kUInt8, kUInt8, kFloat32},        {kInt32, kInt32, kFloat32},
    {kInt64, kInt64, kFloat32},     {kBFloat16, kBFloat16, kBFloat16}, {kFloat32, kFloat32, kFloat32},
    {kFloat64, kFloat64, kFloat64},
};

}  // namespace

TEST_CASE("promotion: of all pairs of dtypes, as PyTorch") {
  for (std::size_t i = 0; i < kCount; ++i) {
    for (std::size_t j = 0; j < kCount; ++j) {
      const ScalarType a = kAllDtypes[i];
      const ScalarType b = kAllDtypes[j];
      CAPTURE(a, b);
      CHECK(promote_types(a, b) == kPromoted[i][j]);
      CHECK(promote_weak(a, b) == kWithoutDimensions[i][j]);
      CHECK(mul(ones(2, a), ones(2, b)).scalar_type() == kPromoted[i][j]);
      CHECK(mul(ones(2, a), ones(IntArrayRef(), b)).scalar_type() == kWithoutDimensions[i][j]);
      CHECK(mul(ones(IntArrayRef(), b), ones(2, a)).scalar_type() == kWithoutDimensions[i][j]);
      CHECK(mul(ones(IntArrayRef(), a), ones(IntArrayRef(), b)).scalar_type() == kPromoted[i][j]);
    }
  }
}

TEST_CASE("promotion: of dtypes and numbers, as PyTorch") {
  const Scalar numbers[] = {true, 1, 1.0};
  for (std::size_t i = 0; i < kCount; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      CAPTURE(kAllDtypes[i], j);
      CHECK(result_type(kAllDtypes[i], numbers[j]) == kWithNumber[i][j]);
      CHECK(mul(ones(2, kAllDtypes[i]), numbers[j]).scalar_type() == kWithNumber[i][j]);
    }
  }
}

TEST_CASE("scalar: a truth value") {
  const Scalar truth = true;
  CHECK(truth.isBoolean());
  CHECK_FALSE(truth.isFloatingPoint());
  CHECK_FALSE(truth.isIntegral(false));
  CHECK(truth.isIntegral(true));
  CHECK(truth.default_dtype() == kBool);
  CHECK(truth.toLong() == 1);
  CHECK(truth.toDouble() == 1);
  CHECK(truth.toBool());
  CHECK(Scalar(0.5).toBool());
  CHECK_FALSE(Scalar(0).toBool());
  CHECK(full(2, truth).scalar_type() == kBool);
  CHECK(tensor({true, false}).scalar_type() == kBool);
  CHECK(tensor(true).item<bool>());
  CHECK(tensor(true).item().isBoolean());
}
