#pragma once

#include <iosfwd>

#include <backflow/nn/module.h>

namespace backflow::nn {

/// The probability with which an element becomes zero, as in DropoutOptions(0.2).
class DropoutOptions {
 public:
  DropoutOptions(double p = 0.5) : p_(p) {}  // NOLINT(google-explicit-constructor): as libtorch's
  DropoutOptions& p(double p) {
    p_ = p;
    return *this;
  }
  DropoutOptions& inplace(bool inplace) {
    inplace_ = inplace;
    return *this;
  }
  double p() const { return p_; }
  bool inplace() const { return inplace_; }

 private:
  double p_;
  bool inplace_ = false;
};

namespace functional {

/// The same for a function, which has to be told whether this is training.
class DropoutFuncOptions {
 public:
  DropoutFuncOptions& p(double p) {
    p_ = p;
    return *this;
  }
  DropoutFuncOptions& training(bool training) {
    training_ = training;
    return *this;
  }
  DropoutFuncOptions& inplace(bool inplace) {
    inplace_ = inplace;
    return *this;
  }
  double p() const { return p_; }
  bool training() const { return training_; }
  bool inplace() const { return inplace_; }

 private:
  double p_ = 0.5;
  bool training_ = true;
  bool inplace_ = false;
};

/// x times a random mask, of which an element is 0 with probability p and 1 / (1 - p) otherwise; x itself when this is
/// not training. Input of any shape, of a floating-point dtype. The mask comes from the default generator. Throws Error
/// for p outside [0, 1]. Srivastava et al.: "Dropout: A simple way to prevent neural networks from overfitting", JMLR
/// 15, 2014.
Tensor dropout(const Tensor& input, const DropoutFuncOptions& options = {});

}  // namespace functional

/// Dropout in training, nothing in evaluation; see functional::dropout.
class DropoutImpl : public Module {
 public:
  explicit DropoutImpl(double p) : DropoutImpl(DropoutOptions(p)) {}
  /// Throws Error for p outside [0, 1].
  explicit DropoutImpl(const DropoutOptions& options_ = {});

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override { return input; }
  void pretty_print(std::ostream& stream) const override;

  DropoutOptions options;
};
BACKFLOW_MODULE(Dropout);

}  // namespace backflow::nn
