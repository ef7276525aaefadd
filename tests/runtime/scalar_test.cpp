// Numbers as C++ types: what a type can't hold is an Error.
#include <cmath>
#include <cstdint>
#include <limits>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tensor/scalar.h>

#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");
constexpr std::int64_t kSmallest = std::numeric_limits<std::int64_t>::min();

}  // namespace

TEST_CASE("scalar: item of another type is the number, or an Error") {
  const std::string i32 = " as i32: need one from -2147483648 to 2147483647";
  const std::string i64 = " as i64: need one from -9223372036854775808 to 9223372036854775807";
  check_all({
      {"item: number 1099511627776" + i32, [] { tensor(1LL << 40).item<int>(); }},
      {"item: number -2147483649" + i32, [] { tensor(-2147483649).item<int>(); }},
      {"item: number 300 as u8: need one from 0 to 255", [] { tensor(300).item<std::uint8_t>(); }},
      {"item: number -129 as i8: need one from -128 to 127", [] { tensor(-129).item<std::int8_t>(); }},
      {"item: number 40000 as i16: need one from -32768 to 32767", [] { tensor(40000).item<short>(); }},
      {"item: number 2147483648" + i32, [] { tensor(2147483648.0).item<int>(); }},
      {"item: number nan" + i64, [] { tensor(kNan).item<std::int64_t>(); }},
      {"item: number -inf" + i64, [] { tensor(-kInf).item<std::int64_t>(); }},
      {"item: number 9223372036854775808" + i64, [] { tensor(0x1p63).item<std::int64_t>(); }},
      {"item: number 1e+300 as f32: need one from -3.40282e+38 to 3.40282e+38, or an infinite one",
       [] { tensor(1e300, kFloat64).item<float>(); }},
      {"item: number -1e+39 as bf16: need one from -3.38953e+38 to 3.38953e+38, or an infinite one",
       [] { tensor(-1e39, kFloat64).item<BFloat16>(); }},
      {"Scalar: number 1099511627776" + i32, [] { Scalar(1LL << 40).toInt(); }},
      {"Scalar: number 18446744073709551615 as i64: need one up to 9223372036854775807",
       [] { Scalar(std::numeric_limits<std::uint64_t>::max()); }},
  });
}

TEST_CASE("scalar: numbers at the edge of a type") {
  CHECK(tensor(2147483647).item<int>() == 2147483647);
  CHECK(tensor(-2147483648.0).item<int>() == std::numeric_limits<int>::min());
  CHECK(tensor(-0x1p63).item<std::int64_t>() == kSmallest);
  CHECK(tensor(2.9).item<int>() == 2);
  CHECK(tensor(-2.9).item<int>() == -2);
  CHECK(tensor(255).item<std::uint8_t>() == 255);
  CHECK(tensor(-1).item<std::uint8_t>() == 255);  // wraps, as in uint8 arithmetic
  CHECK(tensor(300).item<bool>());
  CHECK(tensor(kNan).item<bool>());
  CHECK(tensor(kInf).item<float>() == kInf);
  CHECK(std::isnan(tensor(kNan).item<float>()));
  CHECK(tensor(1e300, kFloat64).item<double>() == 1e300);
  CHECK(Scalar(3.4028235e38).toFloat() == std::numeric_limits<float>::max());  // rounded to it
  CHECK(Scalar(kSmallest).toDouble() == -0x1p63);
  CHECK((-Scalar(kSmallest)).toLong() == kSmallest);
  CHECK((-Scalar(7)).toLong() == -7);
}
