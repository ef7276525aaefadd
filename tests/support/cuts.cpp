#include <backflow/tests/support/cuts.h>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/tests/support/arrays.h>

namespace backflow::test {
namespace {

/// Which of the results differs first, or "".
std::string first_difference(const std::vector<Tensor>& found, const std::vector<Tensor>& expected) {
  if (found.size() != expected.size()) {
    return to_text(found.size(), " results instead of ", expected.size());
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!bitwise_equal(found[i], expected[i])) {
      const Tensor& x = expected[i];
      return to_text("result ", i + 1, " of ", found.size(),
                     x.defined() ? to_text(", ", x.scalar_type(), x.sizes()) : "");
    }
  }
  return "";
}

}  // namespace

CutComparison compare_cuts(const std::function<std::vector<Tensor>()>& compute) {
  LoopCounter counter;
  const auto alone = [&](int pieces) {
    const ForcedPieces forced(pieces);
    const ObservedWork observed(counter, 64);
    return compute();
  };
  const auto on_pool = [&](int pieces) {
    const ForcedPieces forced(pieces);
    return compute();
  };
  const std::vector<Tensor> expected = alone(1);
  CutComparison result;
  const auto compare = [&](int pieces, const std::vector<Tensor>& found) {
    const std::string difference = first_difference(found, expected);
    if (result.difference.empty() && !difference.empty()) {
      result.difference = to_text(difference, " in ", pieces, " pieces");
    }
  };
  for (const int pieces : {2, 7}) {
    compare(pieces, alone(pieces));
  }
  for (const int pieces : {3, 64}) {
    compare(pieces, on_pool(pieces));
  }
  result.cut_loops = counter.count();
  return result;
}

}  // namespace backflow::test
