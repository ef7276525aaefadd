// Mistakes with pooling, and the exact message that each gives.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("errors: pooling") {
  check_all({
      {"max_pool2d: input f32[2, 3]: need [batch, channels, height, width] or [channels, height, width]",
       [] {
         max_pool2d(f32({2, 3}), 2);
       }},
      {"avg_pool1d: input f32[1, 2, 3, 4]: need [batch, channels, length] or [channels, length]",
       [] {
         avg_pool1d(f32({1, 2, 3, 4}), 2);
       }},
      {"max_pool1d: input f32[1, 2, 0]: need sizes from 1 to 2147483647 behind the channels",
       [] {
         max_pool1d(f32({1, 2, 0}), 2);
       }},
      {"avg_pool2d: dtype i64: need floating-point numbers; to(kFloat32) gives them",
       [] {
         avg_pool2d(i64({1, 2, 4, 4}), 2);
       }},
      {"max_pool2d: kernel [5, 5], dilation [1], padding [1], input f32[1, 1, 2, 6]: need a window that fits into the "
       "padded input",
       [] {
         max_pool2d(f32({1, 1, 2, 6}), {5, 5}, 1, 1);
       }},
      {"max_pool2d: padding [2], kernel [3]: need a padding of at most half the kernel",
       [] {
         max_pool2d(f32({1, 1, 6, 6}), 3, 1, 2);
       }},
      {"avg_pool3d: stride [0]: need numbers from 1 to 2147483647",
       [] {
         avg_pool3d(f32({1, 1, 4, 4, 4}), 2, 0);
       }},
      {"max_pool2d: dilation [0, 1]: need numbers from 1 to 2147483647",
       [] {
         max_pool2d(f32({1, 1, 4, 4}), 2, 2, 0, {0, 1});
       }},
      {"max_pool2d: kernel [2, 2, 2]: need one number, or one for each of the spatial dimensions",
       [] {
         max_pool2d(f32({1, 1, 4, 4}), {2, 2, 2});
       }},
      {"max_pool1d: kernel []: need one number",
       [] {
         max_pool1d(f32({1, 1, 4}), IntArrayRef());
       }},
      {"avg_pool2d: divisor_override 0: need another number",
       [] {
         avg_pool2d(f32({1, 1, 4, 4}), 2, 2, 0, false, true, 0);
       }},
      {"adaptive_avg_pool2d: output size [-1, 2]: need numbers from 0 to 2147483647",
       [] {
         adaptive_avg_pool2d(f32({1, 1, 4, 4}), {-1, 2});
       }},
      {"adaptive_max_pool3d: output size [2, 2]: need one number, or one for each of the spatial dimensions",
       [] {
         adaptive_max_pool3d(f32({1, 1, 4, 4, 4}), {2, 2});
       }},
  });
}
