#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <backflow/nn/enums.h>
#include <backflow/nn/options/arg.h>
#include <backflow/nn/options/expanding_array.h>

namespace backflow::nn {

/// Two numbers for each of D dimensions, beginning with the last dimension; a single number is for all.
template <std::size_t D>
class ReflectionPadOptions {
 public:
  ReflectionPadOptions(ExpandingArray<D * 2> padding) : padding_(padding) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(ExpandingArray<D * 2>, padding);
};
using ReflectionPad1dOptions = ReflectionPadOptions<1>;
using ReflectionPad2dOptions = ReflectionPadOptions<2>;
using ReflectionPad3dOptions = ReflectionPadOptions<3>;

template <std::size_t D>
class ReplicationPadOptions {
 public:
  ReplicationPadOptions(ExpandingArray<D * 2> padding) : padding_(padding) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(ExpandingArray<D * 2>, padding);
};
using ReplicationPad1dOptions = ReplicationPadOptions<1>;
using ReplicationPad2dOptions = ReplicationPadOptions<2>;
using ReplicationPad3dOptions = ReplicationPadOptions<3>;

class ZeroPad2dOptions {
 public:
  ZeroPad2dOptions(ExpandingArray<4> padding) : padding_(padding) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(ExpandingArray<4>, padding);
};

template <std::size_t D>
class ConstantPadOptions {
 public:
  ConstantPadOptions(ExpandingArray<D * 2> padding, double value) : padding_(padding), value_(value) {}
  BACKFLOW_ARG(ExpandingArray<D * 2>, padding);
  BACKFLOW_ARG(double, value);
};
using ConstantPad1dOptions = ConstantPadOptions<1>;
using ConstantPad2dOptions = ConstantPadOptions<2>;
using ConstantPad3dOptions = ConstantPadOptions<3>;

namespace functional {

class PadFuncOptions {
 public:
  using mode_t = enumtype::Padding;                                        // NOLINT: libtorch's name
  PadFuncOptions(std::vector<std::int64_t> pad) : pad_(std::move(pad)) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(std::vector<std::int64_t>, pad);
  BACKFLOW_ARG(mode_t, mode) = kConstant;
  BACKFLOW_ARG(double, value) = 0;
};

}  // namespace functional
}  // namespace backflow::nn
