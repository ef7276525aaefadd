#pragma once

#include <cstdint>
#include <string>

#include <backflow/io/dump.h>

namespace backflow::train {

/// Numbers of the loop in a dump, each under a name of its own: "early_stopping.bad", "plateau.lr.0".
class LoopState {
 public:
  LoopState() = default;
  explicit LoopState(io::NamedTensors values) : values_(std::move(values)) {}

  void set(const std::string& name, double value);
  void set(const std::string& name, std::int64_t value);
  bool has(const std::string& name) const;
  /// Throws Error when the dump has no such number, or has something else under the name.
  double number(const std::string& name) const;
  std::int64_t integer(const std::string& name) const;

  const io::NamedTensors& values() const { return values_; }

 private:
  const Tensor& find(const std::string& name, ScalarType dtype) const;

  io::NamedTensors values_;
};

}  // namespace backflow::train
