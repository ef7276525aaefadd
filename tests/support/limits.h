#pragma once

#include <limits>
#include <string>
#include <vector>

// The limits of functions at infinite operands, and their values where the parts of a formula overflow or vanish.
namespace backflow::test {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// There is no limit: as a value it is NaN, as a slope it may be anything.
inline constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// An element-wise function at one place.
struct Limit {
  std::string sample;  ///< the title of a sample of the function
  std::vector<double> at;
  double value;
  std::vector<double> slopes;  ///< for each operand
};

/// Those of activations and other functions of one operand, of several, and of losses.
std::vector<Limit> function_limits();
std::vector<Limit> limits_of_several();
std::vector<Limit> loss_limits();

}  // namespace backflow::test
