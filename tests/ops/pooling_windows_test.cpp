// Windows of pooling at the limits: larger than the input, of padding alone, and without an ordinary number.
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>

#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// [1, 1, size, ...] with so many spatial dimensions.
Tensor image(std::size_t dims, std::int64_t size) {
  std::vector<std::int64_t> sizes(dims, size);
  sizes.insert(sizes.begin(), {1, 1});
  return zeros(sizes);
}

struct MaxPool {
  std::size_t dims;
  const char* name;
  Tensor (*values)(const Tensor&, IntArrayRef, IntArrayRef, IntArrayRef, IntArrayRef, bool);
  std::tuple<Tensor, Tensor> (*with_indices)(const Tensor&, IntArrayRef, IntArrayRef, IntArrayRef, IntArrayRef, bool);
};

const MaxPool kMaxPools[] = {{1, "max_pool1d", max_pool1d, max_pool1d_with_indices},
                             {2, "max_pool2d", max_pool2d, max_pool2d_with_indices},
                             {3, "max_pool3d", max_pool3d, max_pool3d_with_indices}};

}  // namespace

TEST_CASE("pooling: a window larger than the padded input is an Error, also with ceil_mode") {
  const std::string end = ": need a window that fits into the padded input";
  for (const MaxPool& f : kMaxPools) {
    const Tensor x = image(f.dims, 2);
    for (const bool ceil_mode : {false, true}) {
      INFO(f.name << " " << ceil_mode);
      CHECK(error_of([&] { f.values(x, 3, 2, 0, 1, ceil_mode); }) ==
            to_text(f.name, ": kernel [3], dilation [1], padding [0], input ", describe(x), end));
      CHECK(error_of([&] { f.with_indices(x, 2, 4, 0, 2, ceil_mode); }) ==
            to_text(f.name, "_with_indices: kernel [2], dilation [2], padding [0], input ", describe(x), end));
      CHECK(f.values(x, 2, 2, 0, 1, ceil_mode).numel() == 1);
    }
  }
  check_all({
      {"avg_pool1d: kernel [3], dilation [1], padding [0], input f32[1, 1, 2]" + end,
       [] { avg_pool1d(image(1, 2), 3, 2, 0, true); }},
      {"avg_pool2d: kernel [4], dilation [1], padding [0], input f32[1, 1, 2, 2]" + end,
       [] { avg_pool2d(image(2, 2), 4, 4, 0, true); }},
      {"avg_pool3d: kernel [5], dilation [1], padding [1], input f32[1, 1, 2, 2, 2]" + end,
       [] { avg_pool3d(image(3, 2), 5, 2, 1, true); }},
  });
}

TEST_CASE("pooling: a window of padding alone is an Error") {
  // The two elements of the window lie before the input and behind it.
  for (const MaxPool& f : kMaxPools) {
    const Tensor x = image(f.dims, 2);
    const std::string rest = to_text(": kernel [2], dilation [3], padding [1], input ", describe(x),
                                     ": need windows with an element that is not padding");
    CHECK(error_of([&] { f.values(x, 2, 1, 1, 3, false); }) == f.name + rest);
    CHECK(error_of([&] { f.with_indices(x, 2, 1, 1, 3, true); }) == std::string(f.name) + "_with_indices" + rest);
  }
}

TEST_CASE("pooling: every index lies in its window, whatever the numbers are") {
  for (const double fill : {-kInf, kInf, std::nan(""), 0.0}) {
    for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
      for (std::int64_t kernel = 1; kernel <= 4; ++kernel) {
        for (std::int64_t padding = 0; padding <= kernel / 2; ++padding) {
          for (std::int64_t dilation = 1; dilation <= 3; ++dilation) {
            for (std::int64_t stride = 1; stride <= 3; ++stride) {
              const std::int64_t size = 12;
              const auto [y, index] =
                  max_pool1d_with_indices(full({1, 20, size}, fill, dtype), kernel, stride, padding, dilation, true);
              INFO("kernel " << kernel << " stride " << stride << " padding " << padding << " dilation " << dilation);
              for (std::int64_t o = 0; o < y.size(2); ++o) {
                const auto i = index[0][17][o].item<std::int64_t>();
                const std::int64_t place = i - o * stride + padding;
                const bool is_inside =
                    i >= 0 && i < size && place % dilation == 0 && place / dilation >= 0 && place / dilation < kernel;
                CHECK(is_inside);
              }
              CHECK(bitwise_equal(y, full(y.sizes(), fill, dtype)));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("pooling: indices outside of the plane are an Error for unpooling") {
  const Tensor x = ones({1, 1, 2, 2});
  check_all({
      {"max_unpool2d: index 16 at 3: need one in [0, 16), a place in a plane of sizes [4, 4]",
       [&] {
         max_unpool2d(x, tensor({{{{0, 1}, {2, 16}}}}), {4, 4});
       }},
      {"max_unpool2d: index -1 at 0: need one in [0, 16), a place in a plane of sizes [4, 4]",
       [&] {
         max_unpool2d(x, tensor({{{{-1, 1}, {2, 3}}}}), {4, 4});
       }},
  });
}
