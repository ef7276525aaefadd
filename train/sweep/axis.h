#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace backflow::train {

/// One key of a sweep and the values that it takes.
///
///   optimizer.lr=0.1,0.01          a list: commas separate values
///   seed=1..3   seed=1..9..2       whole numbers, both ends included, in steps
///   optimizer.lr=log(1e-4..1e-1, 4)    numbers of equal ratio; linear(...) of equal difference
///   optimizer.lr=log(1e-4..1e-1)       drawn anew for each run of a random sweep; uniform(...) likewise
///   model.hidden=[64, 32],[128]    commas in brackets, braces and quotes belong to the value
///   name="a,b",c                   values are those of `train --set`: TOML, or a text without quotes; `unset` too
struct Axis {
  std::string key;
  std::vector<std::string> values;  ///< as `--set` takes them; empty for one that is drawn
  bool logarithmic = false;         ///< of one that is drawn: whether its logarithm is uniform
  double least = 0;
  double most = 0;

  bool is_drawn() const { return values.empty(); }
  /// A value for a random number from 0 to 1: of the list, or of the range, with six digits.
  std::string at(double random) const;
};

/// Reads one. Throws io::ConfigError for what has no value, an empty one or the same twice, open brackets or quotes, a
/// range without an end, and more than 100,000 values.
Axis read_axis(const std::string& text);

}  // namespace backflow::train
