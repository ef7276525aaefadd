// Numbers that a dtype can't hold: an Error that says number and dtype, or the right value where there is one.
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/indexing/tensor_index.h>
#include <backflow/ops/operators.h>

#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;
using indexing::Slice;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

/// A number that a dtype can't hold, and how the message names the two.
struct Beyond {
  ScalarType dtype;
  Scalar number;
  std::string text;
};

const std::vector<Beyond>& numbers_beyond() {
  static const std::vector<Beyond> all = {
      {kUInt8, 300, "number 300 as u8: need one from 0 to 255"},
      {kUInt8, -256, "number -256 as u8: need one from 0 to 255"},
      {kUInt8, -1.0, "number -1 as u8: need one from 0 to 255"},
      {kInt32, 3000000000, "number 3000000000 as i32: need one from -2147483648 to 2147483647"},
      {kInt32, -2147483649, "number -2147483649 as i32: need one from -2147483648 to 2147483647"},
      {kInt32, kNan, "number nan as i32: need one from -2147483648 to 2147483647"},
      {kInt64, kNan, "number nan as i64: need one from -9223372036854775808 to 9223372036854775807"},
      {kInt64, kInf, "number inf as i64: need one from -9223372036854775808 to 9223372036854775807"},
      {kInt64, 0x1p63, "number 9223372036854775808 as i64: need one from -9223372036854775808 to 9223372036854775807"},
      {kFloat32, 1e300, "number 1e+300 as f32: need one from -3.40282e+38 to 3.40282e+38, or an infinite one"},
      {kBFloat16, 3.4e38, "number 3.4e+38 as bf16: need one from -3.38953e+38 to 3.38953e+38, or an infinite one"},
      {kBFloat16, -1e39, "number -1e+39 as bf16: need one from -3.38953e+38 to 3.38953e+38, or an infinite one"},
  };
  return all;
}

Tensor two(ScalarType dtype) { return tensor({1, 2}).to(dtype); }

/// The number in a tensor without dimensions.
Tensor weak(const Scalar& number) { return full({}, number, number.is_floating_point() ? kFloat64 : kInt64); }

/// What writes a number into a tensor, by the name that its message starts with.
struct Writer {
  const char* where;
  std::function<void(const Tensor& x, const Scalar& number)> write;
};

const std::vector<Writer>& writers() {
  static const std::vector<Writer> all = {
      {"full", [](const Tensor& x, const Scalar& c) { full({2}, c, x.scalar_type()); }},
      {"full", [](const Tensor& x, const Scalar& c) { full({0}, c, x.scalar_type()); }},
      {"full", [](const Tensor& x, const Scalar& c) { x.new_full({2}, c); }},
      {"full_like", [](const Tensor& x, const Scalar& c) { full_like(x, c); }},
      {"full_like", [](const Tensor& x, const Scalar& c) { full_like(zeros({2}), c, x.scalar_type()); }},
      {"fill_", [](const Tensor& x, const Scalar& c) { x.fill_(c); }},
      {"fill_", [](const Tensor& x, const Scalar& c) { x.t().fill_(c); }},
      {"fill_", [](const Tensor& x, const Scalar& c) { x[0] = c; }},
      {"masked_fill", [](const Tensor& x, const Scalar& c) { x.masked_fill(zeros({2}, kBool), c); }},
      {"masked_fill_", [](const Tensor& x, const Scalar& c) { x.masked_fill_(zeros({2}, kBool), c); }},
      {"index_fill", [](const Tensor& x, const Scalar& c) { x.index_fill(0, tensor({0}), c); }},
      {"index_fill_", [](const Tensor& x, const Scalar& c) { x.index_fill_(0, tensor({0}), c); }},
      {"masked_fill", [](const Tensor& x, const Scalar& c) { x.masked_fill(zeros({2}, kBool), weak(c)); }},
      {"masked_fill_", [](const Tensor& x, const Scalar& c) { x.masked_fill_(zeros({2}, kBool), weak(c)); }},
      {"index_fill", [](const Tensor& x, const Scalar& c) { x.index_fill(0, tensor({0}), weak(c)); }},
      {"index_fill_", [](const Tensor& x, const Scalar& c) { x.index_fill_(0, tensor({0}), weak(c)); }},
      {"scatter", [](const Tensor& x, const Scalar& c) { x.scatter(0, tensor({0}), c); }},
      {"scatter_", [](const Tensor& x, const Scalar& c) { x.scatter_(0, tensor({0}), c); }},
      {"index_put_", [](const Tensor& x, const Scalar& c) { x.index_put_({Slice()}, c); }},
      {"index_put_", [](const Tensor& x, const Scalar& c) { x.index_put_({tensor({1})}, c); }},
      {"constant_pad_nd",
       [](const Tensor& x, const Scalar& c) {
         constant_pad_nd(x, {1, 0}, c);
       }},
      {"constant_pad_nd",
       [](const Tensor& x, const Scalar& c) {
         constant_pad_nd(x, {0, -1}, c);
       }},
      {"threshold", [](const Tensor& x, const Scalar& c) { threshold(x, 0, c); }},
      {"threshold", [](const Tensor& x, const Scalar& c) { threshold(x, c, 0); }},
      {"linspace", [](const Tensor& x, const Scalar& c) { linspace(0, c, 3, x.scalar_type()); }},
      {"linspace", [](const Tensor& x, const Scalar& c) { linspace(c, 0, 3, x.scalar_type()); }},
  };
  return all;
}

}  // namespace

TEST_CASE("limits: what writes a number rejects one that the dtype can't hold") {
  for (const Beyond& c : numbers_beyond()) {
    for (std::size_t i = 0; i < writers().size(); ++i) {
      const Writer& w = writers()[i];
      const Tensor x = two(c.dtype);
      INFO("writer " << i << " in " << c.dtype);
      CHECK(error_of([&] { w.write(x, c.number); }) == w.where + std::string(": ") + c.text);
      CHECK(x.equal(two(c.dtype)));
    }
  }
}

TEST_CASE("limits: numbers at the edge of a dtype are held") {
  const auto held = [](ScalarType dtype, const Scalar& number) {
    return full({1}, number, dtype).to(kFloat64).item<double>();
  };
  CHECK(held(kUInt8, 255) == 255);
  CHECK(held(kUInt8, -1) == 255);  // wraps, as in uint8 arithmetic
  CHECK(held(kUInt8, -255) == 1);
  CHECK(held(kUInt8, 2.9) == 2);
  CHECK(held(kInt32, 2147483647) == 2147483647);
  CHECK(held(kInt32, -2147483648.0) == -2147483648.0);
  CHECK(full({1}, -0x1p63, kInt64).item<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
  CHECK(held(kFloat32, std::numeric_limits<float>::max()) == std::numeric_limits<float>::max());
  CHECK(held(kFloat32, 3.4028235e38) == std::numeric_limits<float>::max());  // rounded to it
  CHECK(held(kFloat32, kInf) == kInf);
  CHECK(std::isnan(held(kFloat32, kNan)));
  CHECK(held(kBFloat16, 0x1.fep127) == 0x1.fep127);
  CHECK(held(kBFloat16, -kInf) == -kInf);
  CHECK(held(kBool, 300) == 1);
  CHECK(held(kBool, kNan) == 1);
}

TEST_CASE("limits: numbers of a list") {
  check_all({
      {"tensor: number 300 as u8: need one from 0 to 255",
       [] {
         tensor({1, 300}, kUInt8);
       }},
      {"tensor: number 4294967296 as i32: need one from -2147483648 to 2147483647",
       [] { tensor({{1LL << 32}}, kInt); }},
      {"tensor: number nan as i64: need one from -9223372036854775808 to 9223372036854775807",
       [] {
         tensor({1.0, kNan}, kLong);
       }},
      {"tensor: number 1e+39 as f32: need one from -3.40282e+38 to 3.40282e+38, or an infinite one",
       [] { tensor({1e39}); }},
      {"tensor: number 300 as u8: need one from 0 to 255", [] { tensor(std::vector<int>{300}, kUInt8); }},
  });
  CHECK(tensor({1e39}, kFloat64).item<double>() == 1e39);
  CHECK(std::isinf(tensor({kInf}).item<float>()));
}

TEST_CASE("limits: a bound that no number of the dtype lies beyond changes none") {
  CHECK(tensor({5}, kInt).clamp_max(3000000000).equal(tensor({5}, kInt)));
  CHECK(tensor({5}, kInt).clamp_min(-3000000000).equal(tensor({5}, kInt)));
  CHECK(tensor({5, 9}, kInt).clamp(-3000000000, 7).equal(tensor({5, 7}, kInt)));
  CHECK(tensor({44, 200}, kUInt8).clamp(-3, 300).equal(tensor({44, 200}, kUInt8)));
  CHECK(tensor({44, 200}, kUInt8).clamp_(100, 300).equal(tensor({100, 200}, kUInt8)));
  CHECK(tensor({44, 200}, kUInt8).clamp(300, 100).equal(tensor({100, 100}, kUInt8)));  // the upper one wins
  CHECK(tensor({-5, 9}, kInt).clamp(1LL << 40, 7).equal(tensor({7, 7}, kInt)));
  CHECK(hardtanh(tensor({-5, 5}, kInt), 0, 3000000000).equal(tensor({0, 5}, kInt)));
  CHECK(tensor({-5, 5}, kInt).hardtanh_(-3000000000, 3).equal(tensor({-5, 3}, kInt)));
  CHECK(hardtanh(tensor({-5, 5}, kInt), -3000000000, 3000000000).equal(tensor({-5, 5}, kInt)));
  const Tensor x = tensor({-1.0, 2.0, kInf, kNan});
  CHECK(bitwise_equal(x.clamp(-1e300, 1e300), x));
  CHECK(bitwise_equal(hardtanh(x, -1e300, 1e300), x));
  CHECK(bitwise_equal(x.clamp_min(-1e300), x));
  CHECK(bitwise_equal(x.clamp_max(1e300), x));
  CHECK(bitwise_equal(x.clone().clamp_(-1e300, 1e300), x));
  Tensor leaf = tensor({-1.0, 2.0}).requires_grad_();
  leaf.clamp(-1e300, 1e300).sum().backward();
  CHECK(leaf.grad().equal(ones(2)));
}

TEST_CASE("limits: a bound that would be the result is an Error") {
  const std::string i32 = "number 3000000000 as i32: need one from -2147483648 to 2147483647";
  check_all({
      {"clamp_min: " + i32, [] { tensor({5}, kInt).clamp_min(3000000000); }},
      {"clamp: " + i32, [] { tensor({5}, kInt).clamp(3000000000, 4000000000); }},
      {"clamp_max: number -3 as u8: need one from 0 to 255", [] { tensor({5}, kUInt8).clamp_max(-3); }},
      {"clamp_min: number 300 as u8: need one from 0 to 255", [] { tensor({5}, kUInt8).clamp_min_(300); }},
      {"clamp_min: number 1e+300 as f32: need one from -3.40282e+38 to 3.40282e+38, or an infinite one",
       [] { f32({2}).clamp_min(1e300); }},
      {"hardtanh: number -1e+300 as f32: need one from -3.40282e+38 to 3.40282e+38, or an infinite one",
       [] { hardtanh(f32({2}), -1.5e300, -1e300); }},
      {"hardtanh: " + i32, [] { hardtanh(tensor({5}, kInt), 3000000000, 4000000000); }},
      {"hardtanh: number nan as i64: need one from -9223372036854775808 to 9223372036854775807",
       [] { hardtanh(tensor({5}), kNan, 1); }},
  });
}

TEST_CASE("limits: factors, exponents and slopes that the dtype can't hold") {
  const Tensor i = tensor({5}, kInt);
  const Tensor m = ones({2, 2}, kInt);
  const Tensor b = ones({1, 2, 2}, kInt);
  const Tensor x = f32({2});
  const auto i32 = [](const char* where) {
    return std::string(where) + ": number 3000000000 as i32: need one from -2147483648 to 2147483647";
  };
  const auto f32_error = [](const char* where) {
    return std::string(where) + ": number 1e+300 as f32: need one from -3.40282e+38 to 3.40282e+38, or an infinite one";
  };
  constexpr std::int64_t kBig = 3000000000;
  check_all({
      {i32("add"), [&] { i.add(i, kBig); }},
      {i32("sub"), [&] { i.clone().sub_(i, kBig); }},
      {i32("addcmul"), [&] { addcmul(i, i, i, kBig); }},
      {i32("addmm"), [&] { addmm(m, m, m, kBig); }},
      {i32("addmv"),
       [&] {
         addmv(i, m, tensor({1, 2}, kInt), 1, kBig);
       }},
      {i32("addbmm"), [&] { addbmm(m, b, b, 1, kBig); }},
      {i32("baddbmm"), [&] { baddbmm(b, b, b, kBig); }},
      {i32("index_add"), [&] { i.index_add(0, tensor({0}), i, kBig); }},
      {i32("pow"), [&] { i.pow(kBig); }},
      {i32("pow"), [&] { pow(Scalar(kBig), i); }},
      {i32("floor_divide"), [&] { i.floor_divide(kBig); }},
      {i32("div"), [&] { div(i, kBig, "trunc"); }},
      {i32("fmod"), [&] { i.fmod(kBig); }},
      {i32("remainder"), [&] { i.remainder(kBig); }},
      {i32("where"), [&] { where(ones({1}, kBool), i, kBig); }},
      {i32("where"), [&] { where(ones({1}, kBool), kBig, i); }},
      {"remainder: number -3 as u8: need one from 0 to 255", [] { tensor({44}, kUInt8).remainder(-3); }},
      {f32_error("add"), [&] { x.add(x, 1e300); }},
      {f32_error("addcmul"), [&] { addcmul(x, x, x, 1e300); }},
      {f32_error("addcdiv"), [&] { x.clone().addcdiv_(x, x, 1e300); }},
      {f32_error("lerp"), [&] { lerp(x, x, 1e300); }},
      {f32_error("where"), [&] { where(ones({2}, kBool), x, 1e300); }},
      {f32_error("where"), [&] { where(ones({2}, kBool), 1e300, 0); }},
      {f32_error("leaky_relu"), [&] { leaky_relu(x, 1e300); }},
      {f32_error("elu"), [&] { elu(x, 1e300); }},
      {f32_error("celu"), [&] { celu(x, 1e300); }},
      {f32_error("softplus"), [&] { softplus(x, 1, 1e300); }},
      {f32_error("hardshrink"), [&] { hardshrink(x, 1e300); }},
      {f32_error("softshrink"), [&] { softshrink(x, 1e300); }},
  });
}

TEST_CASE("limits: arithmetic with a number wraps, or becomes infinite") {
  const Tensor i = tensor({5}, kInt);
  CHECK((i + 3000000000).equal(tensor({3000000005 - (1LL << 32)}, kInt)));
  CHECK((i * 3000000000).equal(tensor({15000000000 - 3 * (1LL << 32)}, kInt)));
  CHECK((3000000000 - i).equal(tensor({2999999995 - (1LL << 32)}, kInt)));
  CHECK((tensor({44}, kUInt8) - 45).equal(tensor({255}, kUInt8)));
  CHECK(tensor({44}, kUInt8).add(tensor({1}, kUInt8), -45).equal(tensor({255}, kUInt8)));
  CHECK((tensor({2.0}) * 1e300).item<float>() == kInf);
  CHECK((tensor({2.0}) / 1e300).item<float>() == 0);
  CHECK(tensor({2.0}).remainder(1e300).item<float>() == 2);
}
