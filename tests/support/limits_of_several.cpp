// Functions of several operands, and losses, at infinities and where their formulas' parts overflow or vanish.
#include <cmath>
#include <numbers>

#include <backflow/tests/support/limits.h>

namespace backflow::test {
namespace {

constexpr double I = kInfinity;  // NOLINT(readability-identifier-naming): a table of them
constexpr double N = kNone;      // NOLINT(readability-identifier-naming)
constexpr double kPi = std::numbers::pi;

}  // namespace

std::vector<Limit> limits_of_several() {
  return {
      {"add/same", {I, 1}, I, {1, 1}},
      {"add/same", {I, -I}, N, {1, 1}},
      {"sub/same", {1, I}, -I, {1, -1}},
      {"mul/same", {I, -2}, -I, {-2, I}},
      {"mul/same", {I, 0}, N, {N, N}},
      {"div/same", {1, I}, 0, {0, 0}},
      {"div/same", {I, 2}, I, {0.5, -I}},
      {"div/same", {1, 0}, I, {I, -I}},
      {"div/same", {1e-10, 1e-15}, 1e5, {1e15, -1e20}},
      {"atan2/same", {I, 1}, kPi / 2, {0, 0}},
      {"atan2/same", {-I, 1}, -kPi / 2, {0, 0}},
      {"atan2/same", {1, I}, 0, {0, 0}},
      {"atan2/same", {1, -I}, kPi, {0, 0}},
      {"atan2/same", {0, 0}, 0, {0, 0}},
      {"atan2/same", {1e-30, 1e-30}, kPi / 4, {5e29, -5e29}},
      {"atan2/same", {1e25, 1e25}, kPi / 4, {5e-26, -5e-26}},
      {"atan2/same", {1e-30, 0}, kPi / 2, {0, -1e30}},
      {"atan2/same", {0, 1e25}, 0, {1e-25, 0}},
      {"hypot/same", {I, 1}, I, {1, 0}},
      {"hypot/same", {1, -I}, I, {0, -1}},
      {"hypot/same", {-I, I}, I, {N, N}},
      {"hypot/same", {0, 0}, 0, {0, 0}},
      {"hypot/same", {0, -2}, 2, {0, -1}},
      {"hypot/same", {3e-30, 4e-30}, 5e-30, {0.6, 0.8}},
      {"hypot/same", {6e37, -8e37}, 1e38, {0.6, -0.8}},
      {"hypot/same", {3e38, 1e-30}, 3e38, {1, N}},
      {"xlogy/same", {0, 0}, 0, {0, 0}},
      {"xlogy/same", {0, I}, 0, {I, 0}},
      {"xlogy/same", {1, I}, I, {I, 0}},
      {"pow/same", {0, 0}, 1, {0, 0}},
      {"pow/same", {0, 2}, 0, {0, 0}},
      {"pow/same", {0, 0.5}, 0, {I, 0}},
      {"pow/same", {I, 2}, I, {I, I}},
      {"pow/same", {I, -1}, 0, {0, 0}},
      {"pow/same", {2, I}, I, {I, I}},
      {"pow/same", {2, -I}, 0, {0, 0}},
      {"pow/same", {0.5, I}, 0, {0, 0}},
      {"maximum/of_two_same", {I, 1}, I, {1, 0}},
      {"maximum/of_two_same", {-I, 1}, 1, {0, 1}},
      {"minimum/of_two_same", {I, 1}, 1, {0, 1}},
      {"minimum/of_two_same", {-I, 1}, -I, {1, 0}},
      {"addcdiv/same", {1, 1, I}, 1, {1, 0, 0}},
      {"lerp/same", {3e38, -3e38, 0.5}, 0, {0.5, 0.5, N}},
      {"lerp/same", {I, 1, 0.5}, I, {0.5, 0.5, -I}},
      {"lerp/same", {1, I, 0.25}, I, {0.75, 0.25, I}},
      {"lerp/same", {I, 1, 1}, 1, {N, N, N}},
      {"lerp/same", {1, I, 0}, 1, {N, N, N}},
      {"lerp/same", {I, I, 1}, I, {N, N, N}},
  };
}

std::vector<Limit> loss_limits() {
  constexpr const char* kLogits = "binary_cross_entropy_with_logits/contiguous_reduction0";
  constexpr const char* kPositive = "binary_cross_entropy_with_logits/positive_contiguous_reduction0";  // of 2.5
  constexpr const char* kProbabilities = "binary_cross_entropy/contiguous_reduction0";
  return {
      {"mse_loss/contiguous_reduction0", {I, 0}, I, {I, -I}},
      {"l1_loss/contiguous_reduction0", {-I, 0}, I, {-1, 1}},
      {"smooth_l1_loss/beta1_contiguous_reduction0", {I, 0}, I, {1, -1}},
      {"smooth_l1_loss/beta0_contiguous_reduction0", {1, 1}, 0, {0, 0}},
      {"huber_loss/delta1_contiguous_reduction0", {-I, 0}, I, {-1, 1}},
      {kLogits, {-I, 0}, 0, {0, I}},
      {kLogits, {I, 1}, 0, {0, -I}},
      {kLogits, {-I, 1}, I, {-1, I}},
      {kLogits, {I, 0}, I, {1, -I}},
      {kLogits, {I, 0.5}, I, {0.5, -I}},
      {kPositive, {-I, 0}, 0, {0, I}},
      {kPositive, {I, 1}, 0, {0, -I}},
      {kPositive, {-I, 1}, I, {-2.5, I}},
      {kPositive, {I, 0}, I, {1, -I}},
      {kProbabilities, {0, 0}, 0, {1, N}},
      {kProbabilities, {1, 1}, 0, {-1, N}},
      {"kl_div/contiguous_reduction0", {-I, 0}, 0, {0, N}},
      {"kl_div/contiguous_reduction0", {-1, 0}, 0, {0, -I}},
      {"kl_div/contiguous_reduction0", {-I, 0.5}, I, {-0.5, I}},
      {"kl_div/log_target_contiguous_reduction0", {-1, -I}, 0, {0, 0}},
      {"kl_div/log_target_contiguous_reduction0", {-I, -I}, 0, {0, N}},
      {"soft_margin_loss/target_reduction0", {I, 1}, 0, {0, 0}},
      {"soft_margin_loss/target_reduction0", {-I, 1}, I, {-1, I}},
      {"poisson_nll_loss/log_contiguous_reduction0", {-I, 0}, 0, {0, N}},
      {"poisson_nll_loss/log_contiguous_reduction0", {I, 2}, I, {I, -I}},
      {"poisson_nll_loss/log_contiguous_reduction0", {-I, 2}, I, {-2, I}},
      {"poisson_nll_loss/full_contiguous_reduction0", {1, 0}, 1, {1, N}},
      {"hinge_embedding_loss/reduction0_2d_margin1", {I, 0}, 0, {0, N}},
  };
}

}  // namespace backflow::test
