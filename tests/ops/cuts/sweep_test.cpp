// The bits of every operator, forward and backward, do not depend on how its loops are cut.
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <backflow/ops/operators.h>
#include <backflow/runtime/threads/cuts.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/ops/cuts/cases.h>
#include <backflow/tests/support/cuts.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/sweep.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr std::size_t kEnlarged = 5;  // samples of an operator

constexpr const char* kView = "a view, whose gradient is a view";

/// Operators none of whose loops is ever cut, and why.
const Reasons kNeverCut = {
    {"broadcast_to", "a view, whose gradient is a sum; it is cut where it is large"},
    {"empty", "it computes nothing"},
    {"permute", kView},
    {"reshape", kView},
    {"t", kView},
    {"unflatten", kView},
    {"view_as", kView},
};

/// Compares a case's bits in every dtype that it takes. Returns whether a loop of it was cut.
bool check_cuts(const CutCase& c, const std::string& test_case) {
  INFO(reproduce(c.sample, test_case));
  bool was_cut = false;
  for (const ScalarType dtype : kAllDtypes) {
    const Tensors operands = operands_of(c, dtype);
    if (!result_of(c.sample, operands).defined()) {
      continue;  // the operator does not take the dtype
    }
    const CutComparison found = compare_cuts([&] { return results_of(c, operands); });
    was_cut = was_cut || found.cut_loops > 0;
    INFO(c.title() << " of " << dtype);
    CHECK_THAT(found.difference, Equals(""));
  }
  return was_cut;
}

/// A sum that is cut freely: its bits depend on the cut.
Tensor planted_sum(const Tensors& x) {
  Tensor y = zeros({}, x[0].scalar_type());
  const auto* from = x[0].const_data_ptr<float>();
  const std::int64_t pieces = free_pieces(x[0].numel(), 1e6);
  std::vector<float> partial(static_cast<std::size_t>(pieces));
  parallel_for(pieces, [&](std::int64_t i) {
    for (std::int64_t k = begin_of_piece(i, pieces, x[0].numel()); k < begin_of_piece(i + 1, pieces, x[0].numel());
         ++k) {
      partial[static_cast<std::size_t>(i)] += from[k];
    }
  });
  for (const float sum : partial) {
    *y.data_ptr<float>() += sum;
  }
  return y;
}

/// exp, whose last few elements of a piece are computed another way, as remainders of a vector's length may be.
Tensor planted_remainder(const Tensors& x) {
  Tensor y = empty_tensor(x[0].sizes(), kFloat32);
  const auto* from = x[0].const_data_ptr<float>();
  parallel_ranges(x[0].numel(), 1e6, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const bool in_vector = i < begin + (end - begin) / 8 * 8;
      y.data_ptr<float>()[i] = in_vector ? std::exp(from[i])
                                         : static_cast<float>(std::exp(static_cast<double>(from[i] / 2))) *
                                               static_cast<float>(std::exp(static_cast<double>(from[i] / 2)));
    }
  });
  return y;
}

/// A correct sum: cut by shape alone.
Tensor sum_by_shape(const Tensors& x) { return x[0].sum(); }

CutComparison comparison_of(Tensor (*f)(const Tensors&)) {
  const Tensors operands = {random_tensor({1000}, "planted")};
  return compare_cuts([&] { return Tensors{f(operands)}; });
}

}  // namespace

TEST_CASE("cuts: the comparison finds bits that depend on the cut") {
  const Threads threads(3);
  CHECK(comparison_of(planted_sum).difference == "result 1 of 1, float32[], in 2 pieces");
  CHECK(comparison_of(planted_remainder).difference == "result 1 of 1, float32[1000], in 2 pieces");
  CHECK(comparison_of(planted_sum).cut_loops == 3);
  CHECK(comparison_of(sum_by_shape).difference.empty());
}

TEST_CASE("cuts: samples have the same bits for all cuts") {
  const Threads threads(3);
  for (const Sample& s : samples()) {
    check_cuts({s}, "cuts: samples have the same bits for all cuts");
  }
}

TEST_CASE("cuts: enlarged samples have the same bits for all cuts") {
  const char* const name = "cuts: enlarged samples have the same bits for all cuts";
  const Threads threads(3);
  std::set<std::string> cut;
  for (const Sample* s : swept_samples(kEnlarged, {})) {
    std::vector<CutCase> cases = enlarged(*s);
    const std::vector<CutCase> images = on_images(*s);
    cases.insert(cases.end(), images.begin(), images.end());
    for (const CutCase& c : cases) {
      if (check_cuts(c, name)) {
        cut.insert(s->op);
      }
    }
  }
  for (const CutCase& c : calls_of_fixed_sizes()) {
    if (check_cuts(c, name)) {
      cut.insert(c.sample.op);
    }
  }
  check_complete(cut, kNeverCut);
}
