#pragma once

#include <functional>
#include <string>

#include <backflow/nn/module.h>

namespace backflow::nn {

/// Watches how shapes go through a network: while it lives, output_shape() on this thread reports each module that it
/// passes, children before their parent. Modules that are not asked for by `output_shape_of` are not seen.
class ShapeObserver {
 public:
  /// `path` is that of the module below the one that was asked first, as "layer1.0.conv1".
  using Visit =
      std::function<void(const std::string& path, const Module& module, IntArrayRef input, IntArrayRef output)>;

  explicit ShapeObserver(Visit visit);
  ~ShapeObserver();
  ShapeObserver(const ShapeObserver&) = delete;
  ShapeObserver& operator=(const ShapeObserver&) = delete;

 private:
  friend DimVector output_shape_of(const std::string& name, const Module& child, IntArrayRef input);

  Visit visit_;
  std::string path_;
  ShapeObserver* outer_;
};

/// child.output_shape(input), for a module that asks its child `name`. Its Error ends with the path of the child: "...;
/// in layer 2.0".
DimVector output_shape_of(const std::string& name, const Module& child, IntArrayRef input);

}  // namespace backflow::nn
