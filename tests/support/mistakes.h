#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/error_of.h>

namespace backflow::test {

/// A call with bad operands, and the message of the Error that it must be.
struct Mistake {
  std::string message;
  std::function<void()> call;
};

inline void check_all(const std::vector<Mistake>& mistakes) {
  for (const Mistake& m : mistakes) {
    INFO("need: " << m.message);
    const std::string found = error_of(m.call);
    CHECK(found == m.message);
  }
}

inline Tensor f32(IntArrayRef sizes) { return zeros(sizes); }
inline Tensor i64(IntArrayRef sizes) { return zeros(sizes, kInt64); }
inline Tensor f64(IntArrayRef sizes) { return zeros(sizes, kFloat64); }

}  // namespace backflow::test
