// Every operator takes the dtypes that its declaration lists, with the values that these can hold, and no other.
#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include <backflow/ops/operators.h>
#include <backflow/ops/registry.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/tape/grad_mode.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/samples.h>

using namespace backflow;
using namespace backflow::test;

namespace {

/// The dtypes that some overload of each operator takes.
std::map<std::string, std::vector<DtypeSet>> declared_dtypes() {
  std::map<std::string, std::vector<DtypeSet>> result;
  for (const OperatorFamily& family : operator_registry()) {
    for (const OperatorInfo& op : family.operators) {
      result[std::string(op.name)].push_back(op.dtypes);
    }
  }
  return result;
}

bool any_contains(const std::vector<DtypeSet>& sets, ScalarType dtype) {
  return std::any_of(sets.begin(), sets.end(), [&](const DtypeSet& set) { return set.contains(dtype); });
}

bool all_contain(const std::vector<DtypeSet>& sets, ScalarType dtype) {
  return std::all_of(sets.begin(), sets.end(), [&](const DtypeSet& set) { return set.contains(dtype); });
}

/// `expected` as a tensor of this dtype holds it.
Array held_in(const Array& expected, ScalarType dtype) {
  return array_of(tensor_of(
      map(expected, [&](double v) { return is_floating_point(dtype) ? v
                                           : dtype == kBool         ? v != 0
                                                                    : std::trunc(v); }),
      dtype));
}

}  // namespace

TEST_CASE("dtypes: every operator takes those that it declares") {
  const auto declared = declared_dtypes();
  for (const Sample& s : samples()) {
    const auto sets = declared.find(s.op);
    REQUIRE(sets != declared.end());
    for (const ScalarType dtype : kAllDtypes) {
      INFO(reproduce(s, "dtypes: every operator takes those that it declares"));
      CAPTURE(dtype);
      const NoGradGuard guard;
      const Arrays values = values_in(s, dtype);
      std::string error;
      Tensor y;
      try {
        y = s.call(operands_of(s, values, dtype));
      } catch (const Error& e) {
        error = e.what();
      }
      const bool has_numbers =
          std::any_of(s.operands.begin(), s.operands.end(), [](const Operand& o) { return o.of == Of::Number; });
      if (!any_contains(sets->second, dtype)) {
        INFO("declared as not taken");
        CHECK((!has_numbers || !error.empty()));
      } else if (all_contain(sets->second, dtype)) {
        INFO("declared as taken, but: " << error);
        CHECK(error.empty());
        if (error.empty() && dtype != kFloat32 && dtype != kFloat64) {
          // bfloat16 has 8 bits: results, and maybe the squares of sums, are rounded to them.
          const double tolerance = is_floating_point(y.scalar_type()) ? (dtype == kBFloat16 ? 0.02 : 1e-6) : 0;
          CHECK(distance(array_of(y), held_in(s.reference(values), y.scalar_type())) <= tolerance * s.tolerance);
        }
      }
    }
  }
}
