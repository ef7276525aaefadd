#pragma once

#include <cstdint>

#include <backflow/runtime/tensor.h>

namespace backflow {

/// A tensor that a forward keeps for its backward. It remembers the version of the storage: when the tensor has been
/// changed in place since, unpack() is an Error rather than a wrong gradient.
class SavedTensor {
 public:
  /// Keeps an operand of the forward.
  void save(const Tensor& x) {
    tensor_ = x;
    version_ = x.impl().storage->version();
    is_output_ = false;
  }
  /// Keeps a result of the forward. Held off the tape, since the node that holds it is its own history.
  void save_output(const Tensor& y, std::uint32_t output_nr = 0) {
    tensor_ = y.detach();
    version_ = y.impl().storage->version();
    output_nr_ = output_nr;
    is_output_ = true;
  }

  bool defined() const { return tensor_.defined(); }
  /// The tensor, with the history it had; `owner` is the node that saved it. Throws Error when it has been changed.
  Tensor unpack(Node& owner) const;

 private:
  Tensor tensor_;
  std::uint32_t version_ = 0;
  std::uint32_t output_nr_ = 0;
  bool is_output_ = false;
};

}  // namespace backflow
