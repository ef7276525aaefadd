#pragma once

#include <cstddef>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// Copies of several tensors: one loop on the pool for all, or where they are too little for that, one by one. Each is
/// as of copy(), but no destination may overlap another.
class Copies {
 public:
  /// `bytes`: of all destinations together.
  explicit Copies(std::size_t bytes);
  /// y = x, now or in run().
  void add(const Tensor& y, const Tensor& x);
  void run();

 private:
  struct Copy {
    Tensor y;
    Tensor x;
  };

  bool at_once_;
  std::vector<Copy> later_;
};

}  // namespace backflow::kernels
