#include <backflow/tests/support/sweep.h>

#include <algorithm>
#include <cstdlib>

#include <backflow/ops/registry.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/engine/autograd.h>

#include <backflow/tests/catch2.h>

namespace backflow::test {

std::vector<const Sample*> swept_samples(std::size_t most, const Reasons& reasons) {
  std::map<std::string, std::vector<const Sample*>> by_operator;
  for (const Sample& s : samples()) {
    by_operator[s.op].push_back(&s);
  }
  std::vector<const Sample*> chosen;
  for (const auto& [op, all] : by_operator) {
    if (reasons.contains(op)) {
      continue;
    }
    for (const std::size_t i : places(all.size(), most)) {
      chosen.push_back(all[i]);
    }
  }
  return chosen;
}

void check_complete(const std::set<std::string>& swept, const Reasons& reasons) {
  if (std::getenv("BACKFLOW_SAMPLE") != nullptr) {
    return;  // the table is not complete then
  }
  std::set<std::string> operators;
  for (const OperatorFamily& family : operator_registry()) {
    for (const OperatorInfo& op : family.operators) {
      operators.insert(std::string(op.name));
    }
  }
  for (const std::string& op : operators) {
    INFO(op << " was not swept: give it a sample that can be, or a reason");
    CHECK((swept.contains(op) || reasons.contains(op)));
  }
  for (const auto& [op, reason] : reasons) {
    INFO(op << " has a reason (" << reason << "), but is not an operator, or was swept");
    CHECK((operators.contains(op) && !swept.contains(op)));
  }
}

Sample with_own_elements(Sample s) {
  for (Operand& o : s.operands) {
    o.layout = o.layout == Layout::Expanded ? Layout::Contiguous : o.layout;
  }
  return s;
}

Arrays with_element(const Sample& s, Arrays values, std::size_t i, std::size_t e, double v) {
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (k == i || s.operands[k].same_as == static_cast<int>(i)) {
      values[k].data[e] = v;
    }
  }
  return values;
}

std::vector<std::size_t> places(std::size_t n, std::size_t most) {
  std::vector<std::size_t> result;
  for (std::size_t k = 0; k < std::min(n, most); ++k) {
    result.push_back(n <= most ? k : k * (n - 1) / (most - 1));
  }
  return result;
}

std::vector<std::size_t> number_operands(const Sample& s) { return differentiable_operands(s); }

Tensor result_of(const Sample& s, const Tensors& operands) {
  try {
    return s.call(operands);
  } catch (const Error&) {
    return {};
  }
}

Arrays gradients_of(const Sample& s, const Tensors& operands, const Tensor& y, const Array& dy) {
  Tensors inputs;
  for (const std::size_t i : number_operands(s)) {
    inputs.push_back(operands[i]);
  }
  Arrays result;
  for (const Tensor& g :
       autograd::grad({y}, inputs, {tensor_of(dy, y.scalar_type())}, std::nullopt, false, /*allow_unused=*/true)) {
    result.push_back(g.defined() ? array_of(g) : array_of(inputs[result.size()].sizes().vec()));
  }
  return result;
}

}  // namespace backflow::test
