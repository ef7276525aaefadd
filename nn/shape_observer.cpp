#include <backflow/nn/shape_observer.h>

#include <string_view>
#include <utility>

namespace backflow::nn {
namespace {

thread_local ShapeObserver* current = nullptr;

constexpr std::string_view kInLayer = "; in layer ";

/// Puts `name` in front of the path that the message ends with.
std::string with_layer(const std::string& message, const std::string& name) {
  const std::size_t at = message.rfind(kInLayer);
  return at == std::string::npos
             ? to_text(message, kInLayer, name)
             : to_text(message.substr(0, at + kInLayer.size()), name, ".", message.substr(at + kInLayer.size()));
}

}  // namespace

ShapeObserver::ShapeObserver(Visit visit) : visit_(std::move(visit)), outer_(std::exchange(current, this)) {}
ShapeObserver::~ShapeObserver() { current = outer_; }

DimVector output_shape_of(const std::string& name, const Module& child, IntArrayRef input) {
  ShapeObserver* const observer = current;
  const std::size_t length = observer == nullptr ? 0 : observer->path_.size();
  try {
    if (observer == nullptr) {
      return child.output_shape(input);
    }
    observer->path_ += (length == 0 ? "" : ".") + name;
    DimVector output = child.output_shape(input);
    observer->visit_(observer->path_, child, input, output);
    observer->path_.resize(length);
    return output;
  } catch (const Error& error) {
    if (observer != nullptr) {
      observer->path_.resize(length);
    }
    fail(with_layer(error.what(), name));
  }
}

}  // namespace backflow::nn
