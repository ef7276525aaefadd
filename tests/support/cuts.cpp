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
  const auto alone_for = [&](int threads) {
    const ObservedWork observed(counter, threads);
    return compute();
  };
  const std::vector<Tensor> expected = [&] {
    const ForcedPieces forced(1);
    return alone_for(1);
  }();
  CutComparison result;
  const auto compare = [&](const std::string& cut, const std::vector<Tensor>& found) {
    const std::string difference = first_difference(found, expected);
    if (result.difference.empty() && !difference.empty()) {
      result.difference = to_text(difference, ", ", cut);
    }
  };
  for (const int pieces : {2, 3, 7, 64}) {
    const ForcedPieces forced(pieces);
    const bool on_pool = pieces == 3 || pieces == 64;
    compare(to_text("in ", pieces, " pieces"), on_pool ? compute() : alone_for(pieces));
  }
  compare("for 64 threads", alone_for(64));
  result.cut_loops = counter.count();
  return result;
}

}  // namespace backflow::test
