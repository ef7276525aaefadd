// Values and slopes at infinite operands, and where the parts of a formula overflow or vanish, are those of the table.
#include <cmath>
#include <map>

#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/limits.h>
#include <backflow/tests/support/samples.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr std::int64_t kLength = 37;  // vectors, and a remainder

const Sample* sample_called(const std::string& title) {
  for (const Sample& s : samples()) {
    if (s.title() == title) {
      return &s;
    }
  }
  return nullptr;
}

bool close(double found, double wanted, ScalarType dtype) {
  if (found == wanted) {
    return true;
  }
  const double tolerance = dtype == kFloat64 ? 1e-13 : dtype == kFloat32 ? 3e-6 : 0.02;
  const double smallest = dtype == kFloat64 ? 1e-300 : 2e-38;
  return std::isfinite(wanted) && std::abs(found - wanted) <= tolerance * std::abs(wanted) + smallest;
}

bool all_close(const Tensor& found, double wanted, ScalarType dtype) {
  for (const double v : array_of(found).data) {
    if (std::isnan(wanted) ? !std::isnan(v) : !close(v, wanted, dtype)) {
      return false;
    }
  }
  return true;
}

/// Every operand `length` times the number of the row, or one number without dimensions.
Tensors operands(const Limit& row, ScalarType dtype, bool is_scalar) {
  Tensors result;
  for (const double v : row.at) {
    result.push_back(full(is_scalar ? DimVector{} : DimVector{kLength}, v, dtype));
    result.back().set_requires_grad(true);
  }
  return result;
}

void check_row(const Limit& row, const Sample& s, ScalarType dtype, bool is_scalar, bool create_graph) {
  const Tensors x = operands(row, dtype, is_scalar);
  const Tensor y = s.call(x);
  INFO("value " << array_of(y).data[0] << ", should be " << row.value);
  CHECK(all_close(y, row.value, dtype));
  if (!y.requires_grad()) {
    return;
  }
  const Tensors g = autograd::grad({y}, x, {ones_like(y)}, std::nullopt, create_graph, true);
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (!std::isnan(row.slopes[i])) {
      INFO("slope " << i << " is " << (g[i].defined() ? array_of(g[i]).data[0] : 0.0) << ", should be "
                    << row.slopes[i]);
      CHECK((g[i].defined() ? all_close(g[i], row.slopes[i], dtype) : row.slopes[i] == 0));
    }
  }
}

void check_rows(const std::vector<Limit>& rows) {
  for (const Limit& row : rows) {
    CAPTURE(row.sample, row.at);
    const Sample* s = sample_called(row.sample);
    REQUIRE(s != nullptr);
    for (const ScalarType dtype : {kFloat64, kFloat32, kBFloat16}) {
      for (const bool is_scalar : {false, true}) {
        for (const bool create_graph : {false, true}) {
          CAPTURE(dtype, is_scalar, create_graph);
          check_row(row, *s, dtype, is_scalar, create_graph);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("limits: functions of one operand") { check_rows(function_limits()); }
TEST_CASE("limits: functions of several operands") { check_rows(limits_of_several()); }
TEST_CASE("limits: losses") { check_rows(loss_limits()); }
