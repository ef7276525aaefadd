#pragma once

#include <backflow/nn/options/arg.h>

namespace backflow::nn {

/// The probability that an element, or a feature, is dropped.
class DropoutOptions {
 public:
  DropoutOptions(double p = 0.5) : p_(p) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(double, p) = 0.5;
  BACKFLOW_ARG(bool, inplace) = false;
};

using Dropout2dOptions = DropoutOptions;
using Dropout3dOptions = DropoutOptions;
using AlphaDropoutOptions = DropoutOptions;
using FeatureAlphaDropoutOptions = DropoutOptions;

namespace functional {

class DropoutFuncOptions {
  BACKFLOW_ARG(double, p) = 0.5;
  BACKFLOW_ARG(bool, training) = true;
  BACKFLOW_ARG(bool, inplace) = false;
};

using Dropout2dFuncOptions = DropoutFuncOptions;
using Dropout3dFuncOptions = DropoutFuncOptions;

class AlphaDropoutFuncOptions {
  BACKFLOW_ARG(double, p) = 0.5;
  BACKFLOW_ARG(bool, training) = false;
  BACKFLOW_ARG(bool, inplace) = false;
};

using FeatureAlphaDropoutFuncOptions = AlphaDropoutFuncOptions;

}  // namespace functional
}  // namespace backflow::nn
