#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::test {

using Closures = std::vector<std::function<Tensor()>>;

/// Closures for parallel(), and the leaves that they use from outside.
struct Program {
  std::vector<Tensor> leaves;
  Closures closures;
};

/// The closures one after the other: what parallel() has to be equal to.
std::vector<Tensor> in_a_row(const Closures& closures);

/// The nodes that these tensors were made by, in an order that the tape alone decides, with their sequence numbers
/// above `first`; accumulators are left out.
std::vector<std::pair<std::string, std::uint64_t>> nodes_of(const std::vector<Tensor>& results, std::uint64_t first);

/// Checks that parallel() does what `in_a_row` does, on 1, 2, 4 and 8 threads and `repeats` times: values, sequence
/// numbers, this thread's next one, the default generator's state, and gradients through the results on every engine.
/// `make` makes the program from the start, and `before` is called first.
void check_as_in_a_row(
    const std::function<Program()>& make, int repeats = 5, const std::function<void()>& before = [] {});

}  // namespace backflow::test
