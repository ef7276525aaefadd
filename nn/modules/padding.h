#pragma once

#include <cstddef>

#include <backflow/nn/functional/padding.h>
#include <backflow/nn/module.h>

/// Modules that pad the last dimensions of their input.
namespace backflow::nn {

namespace detail {

/// The base class of one mode; `Options` has padding() and perhaps value().
template <class Options, enumtype::Padding kMode>
class PadModule : public Module {
 public:
  explicit PadModule(const Options& options_) : options(options_) {}
  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;
  Options options;
};

}  // namespace detail

/// Pads with the input mirrored at its first and last elements, which are not repeated.
class ReflectionPad1dImpl : public detail::PadModule<ReflectionPad1dOptions, kReflect> {
 public:
  ReflectionPad1dImpl(ExpandingArray<2> padding) : PadModule(ReflectionPad1dOptions(padding)) {}  // NOLINT
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ReflectionPad1d);
class ReflectionPad2dImpl : public detail::PadModule<ReflectionPad2dOptions, kReflect> {
 public:
  ReflectionPad2dImpl(ExpandingArray<4> padding) : PadModule(ReflectionPad2dOptions(padding)) {}  // NOLINT
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ReflectionPad2d);
class ReflectionPad3dImpl : public detail::PadModule<ReflectionPad3dOptions, kReflect> {
 public:
  ReflectionPad3dImpl(ExpandingArray<6> padding) : PadModule(ReflectionPad3dOptions(padding)) {}  // NOLINT
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ReflectionPad3d);

/// Pads with copies of the first and the last element.
class ReplicationPad1dImpl : public detail::PadModule<ReplicationPad1dOptions, kReplicate> {
 public:
  ReplicationPad1dImpl(ExpandingArray<2> padding) : PadModule(ReplicationPad1dOptions(padding)) {}  // NOLINT
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ReplicationPad1d);
class ReplicationPad2dImpl : public detail::PadModule<ReplicationPad2dOptions, kReplicate> {
 public:
  ReplicationPad2dImpl(ExpandingArray<4> padding) : PadModule(ReplicationPad2dOptions(padding)) {}  // NOLINT
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ReplicationPad2d);
class ReplicationPad3dImpl : public detail::PadModule<ReplicationPad3dOptions, kReplicate> {
 public:
  ReplicationPad3dImpl(ExpandingArray<6> padding) : PadModule(ReplicationPad3dOptions(padding)) {}  // NOLINT
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ReplicationPad3d);

/// Pads with zeros.
class ZeroPad2dImpl : public detail::PadModule<ZeroPad2dOptions, kConstant> {
 public:
  ZeroPad2dImpl(ExpandingArray<4> padding) : PadModule(ZeroPad2dOptions(padding)) {}  // NOLINT
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ZeroPad2d);

/// Pads with a constant.
class ConstantPad1dImpl : public detail::PadModule<ConstantPad1dOptions, kConstant> {
 public:
  ConstantPad1dImpl(ExpandingArray<2> padding, double value) : PadModule(ConstantPad1dOptions(padding, value)) {}
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ConstantPad1d);
class ConstantPad2dImpl : public detail::PadModule<ConstantPad2dOptions, kConstant> {
 public:
  ConstantPad2dImpl(ExpandingArray<4> padding, double value) : PadModule(ConstantPad2dOptions(padding, value)) {}
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ConstantPad2d);
class ConstantPad3dImpl : public detail::PadModule<ConstantPad3dOptions, kConstant> {
 public:
  ConstantPad3dImpl(ExpandingArray<6> padding, double value) : PadModule(ConstantPad3dOptions(padding, value)) {}
  using PadModule::PadModule;
};
BACKFLOW_MODULE(ConstantPad3d);

}  // namespace backflow::nn
