#include <backflow/tests/ops/cuts/cases.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <set>

#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/tests/support/blocks.h>

namespace backflow::test {
namespace {

constexpr std::int64_t kMostElements = 20'000;
constexpr std::int64_t kMostResults = 100'000;
constexpr std::int64_t kMostTimes = 1000;  // of a size, where there are no elements

std::int64_t elements(const std::vector<std::int64_t>& sizes) {
  std::int64_t n = 1;
  for (const std::int64_t size : sizes) {
    n *= size;
  }
  return n;
}

Sample grown(Sample s, const std::set<std::int64_t>& growing, std::int64_t factor) {
  for (Operand& o : s.operands) {
    for (std::int64_t& size : o.sizes) {
      size *= growing.contains(size) ? factor : 1;
    }
  }
  return s;
}

/// The number of elements of the result, or none where the operator or its gradients do not take the operands.
std::optional<std::int64_t> size_of_result(const Sample& s) {
  try {
    return results_of({s}, operands_of({s}, kFloat32))[0].numel();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

bool is_small(const Sample& s) {
  return std::all_of(s.operands.begin(), s.operands.end(),
                     [](const Operand& o) { return elements(o.sizes) <= kMostElements; });
}

/// The sizes that can be three times as large, all at the same time. Equal ones grow together.
std::set<std::int64_t> growing_sizes(const Sample& s) {
  std::set<std::int64_t> sizes;
  for (const Operand& o : s.operands) {
    sizes.insert(o.sizes.begin(), o.sizes.end());
  }
  std::set<std::int64_t> growing;
  for (const std::int64_t size : sizes) {
    if (size > 1) {
      growing.insert(size);
      if (const Sample tried = grown(s, growing, 3); !is_small(tried) || !size_of_result(tried)) {
        growing.erase(size);
      }
    }
  }
  return growing;
}

bool has_images(const Sample& s) {
  return std::any_of(s.operands.begin(), s.operands.end(),
                     [](const Operand& o) { return o.of == Of::Number && o.sizes.size() >= 4; });
}

/// Numbers of [-1, 1), the same for the same shape and dtype.
Tensor direction(const Tensor& x) {
  Tensor dy = empty_tensor(x.sizes(), x.scalar_type());
  dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    std::uint32_t state = 12345;
    for (std::int64_t i = 0; i < dy.numel(); ++i) {
      state = state * 1664525U + 1013904223U;
      dy.data_ptr<T>()[i] = static_cast<T>(state * 0x1p-31 - 1);
    }
  });
  return dy;
}

void append(Tensors& all, const Tensors& more) { all.insert(all.end(), more.begin(), more.end()); }

/// The gradients of y, and those of the gradients.
Tensors gradients_of(const Tensor& y, const Tensors& inputs, Derivatives derivatives) {
  const Tensors dy = {direction(y)};
  Tensors results = autograd::grad({y}, inputs, dy, true, false, true);
  if (derivatives == Derivatives::First) {
    return results;
  }
  Tensors recorded;
  Tensors directions;
  for (const Tensor& g : autograd::grad({y}, inputs, dy, true, true, true)) {
    results.push_back(g);
    if (g.defined() && g.requires_grad()) {
      recorded.push_back(g);
      directions.push_back(direction(g));
    }
  }
  if (!recorded.empty()) {
    append(results, autograd::grad(recorded, inputs, directions, std::nullopt, false, true));
  }
  return results;
}

Tensor result_in_place(const Sample& s, Tensors operands) {
  const NoGradGuard guard;
  operands[0] = operands[0].detach().clone();
  for (std::size_t i = 1; i < operands.size(); ++i) {
    operands[i] = s.operands[i].same_as == 0 ? operands[0] : operands[i];
  }
  s.inplace(operands);
  return operands[0];
}

}  // namespace

std::string CutCase::title() const {
  std::string text = sample.title();
  for (const Operand& o : sample.operands) {
    text += " " + python(o.sizes);
  }
  return block == 1 ? text : to_text(text, " in blocks of ", block);
}

std::vector<CutCase> enlarged(const Sample& sample) {
  const std::set<std::int64_t> growing = growing_sizes(sample);
  std::vector<CutCase> cases;
  for (std::int64_t factor = 3; !growing.empty() && factor <= kMostTimes; factor = 2 * factor - 1) {
    const Sample larger = grown(sample, growing, factor);
    if (!is_small(larger) || size_of_result(larger).value_or(kMostResults) >= kMostResults) {
      break;
    }
    cases = {{larger, 1}};
  }
  if (!cases.empty() && has_images(sample)) {
    cases.push_back({cases[0].sample, 16});
  }
  return cases;
}

std::vector<CutCase> on_images(const Sample& sample) {
  Sample images = sample;
  for (Operand& o : images.operands) {
    if (o.sizes.size() < 2 || o.sizes != sample.operands[0].sizes || o.layout != Layout::Contiguous) {
      return {};
    }
    o.sizes = {3, 40, 9, 11};
  }
  if (images.operands.empty() || !size_of_result(images)) {
    return {};
  }
  return {{images, 1}, {images, 16}};
}

Tensors operands_of(const CutCase& c, ScalarType dtype) {
  const Sample& s = c.sample;
  return operands_of(s, is_floating_point(dtype) ? operand_values(s) : values_in(s, dtype), dtype);
}

Tensors results_of(const CutCase& c, const Tensors& operands) {
  const Sample& s = c.sample;
  Tensors own = operands;
  for (std::size_t i = 0; i < own.size() && c.block != 1; ++i) {
    if (s.operands[i].same_as >= 0) {
      own[i] = own[static_cast<std::size_t>(s.operands[i].same_as)];
    } else if (own[i].dim() >= 4 && is_floating_point(own[i].scalar_type())) {
      // Anew for every run: a tensor whose elements are accessed row-major gives up its blocks.
      own[i] = in_blocks(own[i], c.block).set_requires_grad(own[i].requires_grad());
    }
  }
  const Tensor y = s.call(own);
  Tensors results = {y};
  if (y.requires_grad()) {
    Tensors inputs;
    for (const std::size_t i : differentiable_operands(s)) {
      inputs.push_back(own[i]);
    }
    append(results, gradients_of(y, inputs, c.derivatives));
  }
  if (s.inplace && y.scalar_type() == own[0].scalar_type()) {
    results.push_back(result_in_place(s, own));
  }
  return results;
}

}  // namespace backflow::test
