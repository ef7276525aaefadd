// Operators that draw random numbers: the samples show what holds for all numbers that they may draw. Rows with a
// generator start from its seed, and the others from a default generator of their own.
#include <utility>

#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

using Call = std::function<Tensor(const Tensors&)>;

Array filled(const Index& sizes, double value) {
  return map(array_of(sizes), [=](double) { return value; });
}

/// How far the numbers lie outside of [low, high]: zeros.
Tensor outside(const Tensor& x, double low, double high) { return x - clamp(x, low, high); }

void add(Samples& all, const char* op, const char* label, const Index& sizes, Call call, const Array& expected,
         const std::string& torch) {
  all.push_back({.op = op,
                 .label = label,
                 .operands = {{sizes}},
                 .call =
                     [call = std::move(call)](const Tensors& x) {
                       const DefaultGeneratorGuard guard({11, 0});
                       return call(x);
                     },
                 .reference = [expected](const Arrays&) { return expected; },
                 .differentiable = false,
                 .torch = torch});
}

void add_numbers(Samples& all) {
  const Array zero = filled({30, 4}, 0);
  const std::string torch = "torch.zeros(30, 4, dtype=x[0].dtype)";
  add(
      all, "rand", "range", {},
      [](const Tensors& x) {
        return outside(rand({30, 4}, x[0].scalar_type()), 0, 1);
      },
      zero, torch);
  add(
      all, "rand", "generator", {},
      [](const Tensors& x) {
        return outside(rand({30, 4}, Generator(3), x[0].scalar_type()), 0, 1);
      },
      zero, torch);
  add(
      all, "rand", "empty", {},
      [](const Tensors& x) {
        return rand({0, 3}, x[0].scalar_type());
      },
      filled({0, 3}, 0), "torch.rand(0, 3, dtype=x[0].dtype)");
  add(
      all, "rand_like", "range", {30, 4}, [](const Tensors& x) { return outside(rand_like(x[0]), 0, 1); }, zero, torch);
  add(
      all, "randn", "range", {},
      [](const Tensors& x) {
        return outside(randn({30, 4}, x[0].scalar_type()), -9, 9);
      },
      zero, torch);
  add(
      all, "randn", "generator", {},
      [](const Tensors& x) {
        return outside(randn({30, 4}, Generator(3), x[0].scalar_type()), -9, 9);
      },
      zero, torch);
  add(
      all, "randn_like", "range", {30, 4}, [](const Tensors& x) { return outside(randn_like(x[0]), -9, 9); }, zero,
      torch);
}

void add_integers(Samples& all) {
  const Array zero = filled({30, 4}, 0);
  const std::string torch = "torch.zeros(30, 4, dtype=torch.int64)";
  const auto whole = [](const Tensor& x, int low, int high) {
    const Tensor y = x.to(kInt64);
    return y - clamp(y, low, high);
  };
  add(
      all, "randint", "high", {},
      [=](const Tensors& x) {
        return whole(randint(2, {30, 4}, x[0].scalar_type()), 0, 1);
      },
      zero, torch);
  add(
      all, "randint", "low", {},
      [=](const Tensors& x) {
        return whole(randint(0, 2, {30, 4}, x[0].scalar_type()), 0, 1);
      },
      zero, torch);
  add(
      all, "randint", "generator", {},
      [=](const Tensors& x) {
        return whole(randint(1, 2, {30, 4}, Generator(3), x[0].scalar_type()), 1, 1);
      },
      zero, torch);
  add(
      all, "randint", "int64", {},
      [=](const Tensors&) {
        return whole(randint(-3, 5, {30, 4}), -3, 4);
      },
      zero, torch);
  add(
      all, "randint_like", "high", {30, 4}, [=](const Tensors& x) { return whole(randint_like(x[0], 2), 0, 1); }, zero,
      torch);
  add(
      all, "randint_like", "low", {30, 4}, [=](const Tensors& x) { return whole(randint_like(x[0], 0, 2), 0, 1); },
      zero, torch);
  // All numbers below 10 have the sum 45 and the sum of squares 285.
  const auto moments = [](const Tensor& x) { return x.to(kFloat64).sum() + (x * x).to(kFloat64).sum(); };
  add(
      all, "randperm", "moments", {}, [=](const Tensors& x) { return moments(randperm(10, x[0].scalar_type())); },
      filled({}, 330), "torch.tensor(330.0, dtype=torch.float64)");
  add(
      all, "randperm", "generator", {},
      [=](const Tensors& x) { return moments(randperm(10, Generator(3), x[0].scalar_type())); }, filled({}, 330),
      "torch.tensor(330.0, dtype=torch.float64)");
  add(
      all, "randperm", "one", {}, [](const Tensors& x) { return randperm(1, x[0].scalar_type()); }, filled({1}, 0),
      "torch.randperm(1, dtype=x[0].dtype)");
  add(
      all, "randperm", "empty", {}, [](const Tensors& x) { return randperm(0, x[0].scalar_type()); }, filled({0}, 0),
      "torch.randperm(0, dtype=x[0].dtype)");
}

void add_bernoulli(Samples& all) {
  struct Case {
    const char* label;
    Index sizes;
    double p;
    Layout layout = Layout::Contiguous;
  };
  for (const Case& c : std::vector<Case>{{"certain", {3, 4}, 1},
                                         {"impossible", {3, 4}, 0},
                                         {"strided", {3, 4}, 1, Layout::Strided},
                                         {"transposed", {3, 4}, 1, Layout::Transposed},
                                         {"empty", {0, 4}, 1}}) {
    all.push_back({.op = "bernoulli",
                   .label = c.label,
                   .operands = {{c.sizes, -2, 2, c.layout}},
                   .call = [p = c.p](const Tensors& x) { return x[0].bernoulli(p, Generator(5)); },
                   .reference = [p = c.p](const Arrays& x) { return filled(x[0].sizes, p); },
                   .inplace = [p = c.p](const Tensors& x) { x[0].bernoulli_(p, Generator(5)); },
                   .torch = "torch.bernoulli(x[0], " + std::to_string(c.p) + ")"});
  }
  // Probabilities of 0.
  all.push_back({.op = "bernoulli",
                 .label = "probabilities",
                 .operands = {{{3, 4}}},
                 .call = [](const Tensors& x) { return bernoulli(mul(x[0], 0), Generator(5)); },
                 .reference = [](const Arrays& x) { return filled(x[0].sizes, 0); },
                 .torch = "torch.bernoulli(x[0] * 0)"});
}

}  // namespace

Samples random_samples() {
  Samples all;
  add_numbers(all);
  add_integers(all);
  add_bernoulli(all);
  return all;
}

}  // namespace backflow::test
