// Operators that make tensors. Their samples have an operand whose dtype the tensor gets.
#include <cmath>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

using Call = std::function<Tensor(const Tensors&)>;

Array filled(const Index& sizes, double value) {
  return map(array_of(sizes), [=](double) { return value; });
}

Array numbers(std::vector<double> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  return {{n}, std::move(values)};
}

void add(Samples& all, const char* op, const char* label, const Index& sizes, Call call, const Array& expected,
         const std::string& torch) {
  all.push_back({.op = op,
                 .label = label,
                 .operands = {{sizes}},
                 .call = std::move(call),
                 .reference = [expected](const Arrays&) { return expected; },
                 .differentiable = false,
                 .torch = torch});
}

void add_constants(Samples& all) {
  add(
      all, "zeros", "plain", {},
      [](const Tensors& x) {
        return zeros({2, 3}, x[0].scalar_type());
      },
      filled({2, 3}, 0), "torch.zeros(2, 3, dtype=x[0].dtype)");
  add(
      all, "zeros", "empty", {},
      [](const Tensors& x) {
        return zeros({2, 0}, x[0].scalar_type());
      },
      filled({2, 0}, 0), "torch.zeros(2, 0, dtype=x[0].dtype)");
  add(
      all, "ones", "plain", {},
      [](const Tensors& x) {
        return ones({2, 3}, x[0].scalar_type());
      },
      filled({2, 3}, 1), "torch.ones(2, 3, dtype=x[0].dtype)");
  add(
      all, "ones", "number", {}, [](const Tensors& x) { return ones(IntArrayRef(), x[0].scalar_type()); },
      filled({}, 1), "torch.ones((), dtype=x[0].dtype)");
  add(
      all, "full", "plain", {},
      [](const Tensors& x) {
        return full({2, 3}, 1, x[0].scalar_type());
      },
      filled({2, 3}, 1), "torch.full((2, 3), 1, dtype=x[0].dtype)");
  add(
      all, "full", "integer", {}, [](const Tensors&) { return full(2, 7); }, filled({2}, 7), "torch.full((2,), 7)");
  add(
      all, "full", "truth", {}, [](const Tensors&) { return full(2, true); }, filled({2}, 1), "torch.full((2,), True)");
  add(
      all, "full", "fraction", {}, [](const Tensors&) { return full(2, 1.5); }, filled({2}, 1.5),
      "torch.full((2,), 1.5)");
  add(
      all, "empty", "filled", {},
      [](const Tensors& x) {
        return empty({2, 3}, x[0].scalar_type()).zero_();
      },
      filled({2, 3}, 0), "torch.empty(2, 3, dtype=x[0].dtype).zero_()");
  add(
      all, "empty_like", "filled", {2, 3}, [](const Tensors& x) { return empty_like(x[0]).zero_(); }, filled({2, 3}, 0),
      "torch.empty_like(x[0]).zero_()");
  add(
      all, "zeros_like", "options", {2, 3}, [](const Tensors& x) { return zeros_like(x[0], requires_grad(false)); },
      filled({2, 3}, 0), "torch.zeros_like(x[0])");
  add(
      all, "ones_like", "plain", {2, 3}, [](const Tensors& x) { return ones_like(x[0]); }, filled({2, 3}, 1),
      "torch.ones_like(x[0])");
  add(
      all, "ones_like", "dtype", {2, 3}, [](const Tensors& x) { return ones_like(x[0], kInt64); }, filled({2, 3}, 1),
      "torch.ones_like(x[0], dtype=torch.int64)");
  add(
      all, "full_like", "options", {2, 3}, [](const Tensors& x) { return full_like(x[0], 3, kInt32); },
      filled({2, 3}, 3), "torch.full_like(x[0], 3, dtype=torch.int32)");
}

void add_rows(Samples& all) {
  add(
      all, "arange", "end", {}, [](const Tensors& x) { return arange(5, x[0].scalar_type()); },
      numbers({0, 1, 2, 3, 4}), "torch.arange(5, dtype=x[0].dtype)");
  add(
      all, "arange", "start", {}, [](const Tensors& x) { return arange(2, 5, x[0].scalar_type()); }, numbers({2, 3, 4}),
      "torch.arange(2, 5, dtype=x[0].dtype)");
  add(
      all, "arange", "step", {}, [](const Tensors& x) { return arange(9, 2, -3, x[0].scalar_type()); },
      numbers({9, 6, 3}), "torch.arange(9, 2, -3, dtype=x[0].dtype)");
  add(
      all, "arange", "empty", {}, [](const Tensors& x) { return arange(0, x[0].scalar_type()); }, numbers({}),
      "torch.arange(0, dtype=x[0].dtype)");
  add(
      all, "linspace", "plain", {}, [](const Tensors& x) { return linspace(0, 8, 5, x[0].scalar_type()); },
      numbers({0, 2, 4, 6, 8}), "torch.linspace(0, 8, 5, dtype=x[0].dtype)");
  add(
      all, "linspace", "one", {}, [](const Tensors& x) { return linspace(3, 8, 1, x[0].scalar_type()); }, numbers({3}),
      "torch.linspace(3, 8, 1, dtype=x[0].dtype)");
  add(
      all, "linspace", "empty", {}, [](const Tensors& x) { return linspace(3, 8, 0, x[0].scalar_type()); }, numbers({}),
      "torch.linspace(3, 8, 0, dtype=x[0].dtype)");
  add(
      all, "linspace", "truncated", {},
      [](const Tensors& x) { return linspace(0, -10, 4, kInt32) + linspace(0, 0, 4, x[0].scalar_type()); },
      numbers({0, -3, -6, -10}),
      "torch.linspace(0, -10, 4, dtype=torch.int32) + torch.linspace(0, 0, 4, dtype=x[0].dtype)");
  add(
      all, "eye", "square", {}, [](const Tensors& x) { return eye(2, x[0].scalar_type()); }, {{2, 2}, {1, 0, 0, 1}},
      "torch.eye(2, dtype=x[0].dtype)");
  add(
      all, "eye", "wide", {}, [](const Tensors& x) { return eye(2, 3, x[0].scalar_type()); },
      {{2, 3}, {1, 0, 0, 0, 1, 0}}, "torch.eye(2, 3, dtype=x[0].dtype)");
  add(
      all, "eye", "empty", {}, [](const Tensors& x) { return eye(0, 3, x[0].scalar_type()); }, {{0, 3}, {}},
      "torch.eye(0, 3, dtype=x[0].dtype)");
}

}  // namespace

Samples creation_samples() {
  Samples all;
  add_constants(all);
  add_rows(all);
  return all;
}

}  // namespace backflow::test
