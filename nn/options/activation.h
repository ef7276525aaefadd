#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <backflow/nn/options/arg.h>
#include <backflow/runtime/tensor/dtype.h>

namespace backflow::nn {

namespace detail {

/// Whether the result is written over the input.
template <class Activation>
class InplaceOptions {
 public:
  InplaceOptions(bool inplace = false) : inplace_(inplace) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(bool, inplace);
};

/// The threshold lambda: numbers within it become 0.
template <class Activation>
class ShrinkOptions {
 public:
  ShrinkOptions(double lambda = 0.5) : lambda_(lambda) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(double, lambda);
};

/// A dimension.
template <class Activation>
class DimOptions {
 public:
  DimOptions(std::int64_t dim) : dim_(dim) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(std::int64_t, dim);
};

/// A dimension, and the dtype that the input is converted to.
template <class Activation>
class DimDtypeOptions {
 public:
  DimDtypeOptions(std::int64_t dim) : dim_(dim) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(std::int64_t, dim);
  BACKFLOW_ARG(std::optional<ScalarType>, dtype);
};

}  // namespace detail

using ReLUOptions = detail::InplaceOptions<struct ReluTag>;
using ReLU6Options = detail::InplaceOptions<struct Relu6Tag>;
using SELUOptions = detail::InplaceOptions<struct SeluTag>;
using HardshrinkOptions = detail::ShrinkOptions<struct HardshrinkTag>;
using SoftshrinkOptions = detail::ShrinkOptions<struct SoftshrinkTag>;
using SoftmaxOptions = detail::DimOptions<struct SoftmaxTag>;
using SoftminOptions = detail::DimOptions<struct SoftminTag>;
using LogSoftmaxOptions = detail::DimOptions<struct LogSoftmaxTag>;

class ELUOptions {
  BACKFLOW_ARG(double, alpha) = 1.0;
  BACKFLOW_ARG(bool, inplace) = false;
};

class CELUOptions {
  BACKFLOW_ARG(double, alpha) = 1.0;
  BACKFLOW_ARG(bool, inplace) = false;
};

class GLUOptions {
 public:
  GLUOptions(std::int64_t dim = -1) : dim_(dim) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(std::int64_t, dim);
};

class GELUOptions {
  BACKFLOW_ARG(std::string, approximate) = "none";  ///< or "tanh"
};

class HardtanhOptions {
  BACKFLOW_ARG(double, min_val) = -1.0;
  BACKFLOW_ARG(double, max_val) = 1.0;
  BACKFLOW_ARG(bool, inplace) = false;
};

class LeakyReLUOptions {
  BACKFLOW_ARG(double, negative_slope) = 1e-2;
  BACKFLOW_ARG(bool, inplace) = false;
};

class PReLUOptions {
  BACKFLOW_ARG(std::int64_t, num_parameters) = 1;
  BACKFLOW_ARG(double, init) = 0.25;
};

class RReLUOptions {
  BACKFLOW_ARG(double, lower) = 1.0 / 8.0;
  BACKFLOW_ARG(double, upper) = 1.0 / 3.0;
  BACKFLOW_ARG(bool, inplace) = false;
};

class SoftplusOptions {
  BACKFLOW_ARG(double, beta) = 1.0;
  BACKFLOW_ARG(double, threshold) = 20.0;
};

class ThresholdOptions {
 public:
  ThresholdOptions(double threshold, double value) : threshold_(threshold), value_(value) {}
  BACKFLOW_ARG(double, threshold);
  BACKFLOW_ARG(double, value);
  BACKFLOW_ARG(bool, inplace) = false;
};

namespace functional {

using ReLUFuncOptions = ReLUOptions;
using ReLU6FuncOptions = ReLU6Options;
using SELUFuncOptions = SELUOptions;
using HardshrinkFuncOptions = HardshrinkOptions;
using SoftshrinkFuncOptions = SoftshrinkOptions;
using SoftmaxFuncOptions = nn::detail::DimDtypeOptions<struct SoftmaxTag>;
using SoftminFuncOptions = nn::detail::DimDtypeOptions<struct SoftminTag>;
using LogSoftmaxFuncOptions = nn::detail::DimDtypeOptions<struct LogSoftmaxTag>;
using ELUFuncOptions = ELUOptions;
using CELUFuncOptions = CELUOptions;
using GLUFuncOptions = GLUOptions;
using GELUFuncOptions = GELUOptions;
using HardtanhFuncOptions = HardtanhOptions;
using LeakyReLUFuncOptions = LeakyReLUOptions;
using SoftplusFuncOptions = SoftplusOptions;
using ThresholdFuncOptions = ThresholdOptions;

class RReLUFuncOptions {
  BACKFLOW_ARG(double, lower) = 1.0 / 8.0;
  BACKFLOW_ARG(double, upper) = 1.0 / 3.0;
  BACKFLOW_ARG(bool, training) = false;
  BACKFLOW_ARG(bool, inplace) = false;
};

}  // namespace functional
}  // namespace backflow::nn
