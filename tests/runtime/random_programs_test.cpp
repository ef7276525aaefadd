// Random sequences of views, changes in place and ordinary operations: what backward gives is compared with central
// differences of the whole program, which knows nothing of histories.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/thread_engine.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Tensors = std::vector<Tensor>;

/// How freely a program changes tensors: a careful one clones what an operation saves, so that its backward works; a
/// careless one does not, and backward may then refuse.
enum class Care { Careful, Careless };

bool has_own_elements(const Tensor& x) {
  for (std::size_t d = 0; d < x.sizes().size(); ++d) {
    if (x.strides()[d] == 0 && x.sizes()[d] > 1) {
      return false;
    }
  }
  return true;
}

/// A program with its own random numbers: the same steps for the same seed, whatever the values.
class Program {
 public:
  Program(std::uint64_t seed, Care care) : seed_(seed), care_(care) {}

  /// The program's result, a scalar, for these leaves. `changed` receives all tensors that it may have changed.
  Tensor operator()(const Tensors& leaves, Tensors* changed = nullptr) const {
    PhiloxStream random(seed_);
    Tensors pool = {zeros({2, 3}, kFloat64), tensor_of(random_array({3, 2}, "base"), kFloat64, Layout::Transposed)};
    for (const Tensor& x : leaves) {
      pool.push_back(x * 1);
    }
    for (int step = 0; step < 14; ++step) {
      // Mostly late tensors, and mostly views and changes.
      const auto pick = [&] {
        const std::uint64_t range = random.below(2) == 0 ? pool.size() : std::min<std::size_t>(pool.size(), 4);
        return pool[pool.size() - 1 - random.below(range)];
      };
      const std::uint64_t kind = random.below(10);
      if (kind < 3) {
        pool.push_back(view(random, pick()));
      } else if (kind < 8) {
        const Tensor x = pick();
        change(random, x, fitting(random, pool, x, pick()));
      } else {
        const Tensor x = pick();
        pool.push_back(compute(random, x, fitting(random, pool, x, pick())));
      }
    }
    Tensor total = zeros({}, kFloat64);
    for (std::size_t i = 0; i < pool.size(); ++i) {
      total = total + (pool[i] * random_tensor(pool[i].sizes().vec(), std::to_string(i), kFloat64)).sum();
    }
    if (changed != nullptr) {
      *changed = pool;
    }
    return total;
  }

 private:
  static Tensor view(PhiloxStream& random, const Tensor& x) {
    const std::uint64_t kind = random.below(7);
    const auto dim = [&] { return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(x.dim()))); };
    if (x.dim() == 0) {
      return kind < 3 ? x.expand({2}) : x.view({1});
    }
    if (kind < 2) {
      const std::int64_t d = dim();
      return x.select(d, static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(x.size(d)))));
    }
    if (kind == 2) {
      return x.transpose(dim(), dim());
    }
    if (kind == 3) {
      return x.dim() == 1 ? x.expand({2, x.size(0)}) : x.view(x.sizes());
    }
    if (kind == 4) {
      return x.flatten();
    }
    // Every second element of the first dimension.
    DimVector sizes(x.sizes());
    DimVector strides(x.strides());
    sizes[0] = (sizes[0] + 1) / 2;
    strides[0] *= 2;
    return x.as_strided(sizes, strides);
  }

  /// An operand for an operation on x: a tensor that broadcasts to its sizes.
  static Tensor fitting(PhiloxStream& random, const Tensors& pool, const Tensor& x, const Tensor& first) {
    if (first.sizes() == x.sizes() || first.dim() == 0) {
      return first;
    }
    const std::size_t start = random.below(pool.size());
    for (std::size_t i = 0; i < pool.size(); ++i) {
      const Tensor& w = pool[(start + i) % pool.size()];
      if (w.sizes() == x.sizes()) {
        return w;
      }
    }
    return first.sum();
  }

  Tensor saved(const Tensor& x) const { return care_ == Care::Careful ? x.clone() : x; }

  void change(PhiloxStream& random, const Tensor& x, const Tensor& w) const {
    const std::uint64_t kind = random.below(14);
    if (!has_own_elements(x)) {
      return;
    }
    switch (kind) {
      case 0:
      case 1:
        x.add_(w);
        break;
      case 2:
        x.sub_(w, 0.5);
        break;
      case 3:
      case 4:
        x.mul_(saved(w));
        break;
      case 5:
        x.copy_(w);
        break;
      case 6:
        x.neg_();
        break;
      case 7:
        x.mul_(-0.75);
        break;
      case 8:
        x.zero_();
        break;
      case 9:
        x.fill_(0.5);
        break;
      case 10:
        x.div_(saved(w).pow(2) + 1);
        break;
      case 11:
        x.pow_(2);
        break;
      default:
        if (care_ == Care::Careless) {
          x.tanh_();
        } else {
          x.copy_(x.tanh());
        }
    }
  }

  Tensor compute(PhiloxStream& random, const Tensor& x, const Tensor& w) const {
    switch (random.below(5)) {
      case 0:
        return x + w;
      case 1:
        return saved(x) * saved(w);
      case 2:
        return saved(x.tanh());
      case 3:
        return x.clone();
      default:
        return (saved(x) * 0.25).exp() * 1;
    }
  }

  std::uint64_t seed_;
  Care care_;
};

Tensors leaves_of(std::uint64_t seed) {
  Tensors leaves;
  for (const std::vector<std::int64_t>& sizes : {std::vector<std::int64_t>{2, 3}, {3, 2}, {3}}) {
    const std::string key = std::to_string(seed) + "/" + std::to_string(leaves.size());
    leaves.push_back(random_tensor(sizes, key, kFloat64, -1, 1));
    leaves.back().requires_grad_();
  }
  return leaves;
}

/// d f / d leaves by central differences.
template <class F>
Tensors numeric_gradient(const F& f, const Tensors& leaves) {
  constexpr double kStep = 1e-5;
  Tensors gradients;
  for (const Tensor& x : leaves) {
    const Tensor g = empty_tensor(x.sizes(), kFloat64);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      double& value = x.data_ptr<double>()[i];
      const double middle = value;
      value = middle + kStep;
      const double above = f().template item<double>();
      value = middle - kStep;
      const double below = f().template item<double>();
      value = middle;
      g.data_ptr<double>()[i] = (above - below) / (2 * kStep);
    }
    gradients.push_back(g);
  }
  return gradients;
}

/// The largest difference relative to the largest element; an undefined gradient counts as zeros.
double error_of(const Tensors& a, const Tensors& expected) {
  double scale = 1;
  double error = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Array want = array_of(expected[i]);
    const Array got = a[i].defined() ? array_of(a[i]) : array_of(want.sizes);
    for (std::size_t j = 0; j < want.data.size(); ++j) {
      scale = std::max(scale, std::abs(want.data[j]));
      const double e = std::abs(got.data[j] - want.data[j]);
      error = std::isfinite(e) ? std::max(error, e) : std::numeric_limits<double>::infinity();
    }
  }
  return error / scale;
}

bool too_large(const Tensors& gradients) {
  for (const Tensor& g : gradients) {
    for (const double v : array_of(g).data) {
      if (!(std::abs(v) < 1e4)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

TEST_CASE("random programs: backward agrees with central differences, on every engine bitwise") {
  int checked = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    INFO("seed " << seed);
    const Program program(seed, Care::Careful);
    const Tensors leaves = leaves_of(seed);
    const auto value = [&] {
      const NoGradGuard guard;
      return program(leaves);
    };
    const Tensors expected = numeric_gradient(value, leaves);
    if (too_large(expected)) {
      continue;
    }
    ++checked;
    SerialEngine serial;
    FlowEngine flow(FlowEngine::Use::Always);
    ThreadEngine threads(2);
    Tensors first;
    for (Engine* engine :
         {static_cast<Engine*>(&serial), static_cast<Engine*>(&flow), static_cast<Engine*>(&threads)}) {
      const EngineGuard guard(*engine);
      const Tensor root = program(leaves);
      CHECK(bitwise_equal(root.detach(), value()));
      const Tensors gradients = autograd::grad({root}, leaves, {}, std::nullopt, false, true);
      CHECK(error_of(gradients, expected) < 1e-6);
      if (first.empty()) {
        first = gradients;
      }
      CHECK(bitwise_equal(gradients, first));
    }
  }
  CHECK(checked > 200);
}

TEST_CASE("random programs: second derivatives agree with central differences of the first") {
  int checked = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    INFO("seed " << seed);
    const Program program(seed, Care::Careful);
    const Tensors leaves = leaves_of(seed);
    const auto projected = [&](bool create_graph) {
      const Tensors g = autograd::grad({program(leaves)}, leaves, {}, std::nullopt, create_graph, true);
      Tensor total = zeros({}, kFloat64);
      for (std::size_t i = 0; i < g.size(); ++i) {
        if (g[i].defined()) {
          total = total + (g[i] * random_tensor(g[i].sizes().vec(), "v" + std::to_string(i), kFloat64)).sum();
        }
      }
      return total;
    };
    const Tensors expected = numeric_gradient([&] { return projected(false); }, leaves);
    if (too_large(expected)) {
      continue;
    }
    const Tensor once = projected(true);
    if (!once.requires_grad()) {
      CHECK(error_of(Tensors(3), expected) < 1e-6);
      continue;
    }
    ++checked;
    const Tensors twice = autograd::grad({once}, leaves, {}, std::nullopt, false, true);
    CHECK(error_of(twice, expected) < 1e-5);
  }
  CHECK(checked > 60);
}

TEST_CASE("random programs: when saved tensors may change, backward is right or refuses") {
  int right = 0;
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    const Program program(seed, Care::Careless);
    const Tensors leaves = leaves_of(seed);
    const Tensors expected = numeric_gradient(
        [&] {
          const NoGradGuard guard;
          return program(leaves);
        },
        leaves);
    if (too_large(expected)) {
      continue;
    }
    Tensors pool;
    const Tensor root = program(leaves, &pool);
    try {
      const Tensors gradients = autograd::grad({root}, leaves, {}, std::nullopt, false, true);
      CHECK(error_of(gradients, expected) < 1e-6);
      ++right;
    } catch (const Error& e) {
      CHECK_THAT(e.what(), ContainsSubstring("was changed in place"));
      ++refused;
    }
    // As in PyTorch, what was saved and then changed by an operation that depends on it keeps itself alive.
    for (const Tensor& x : pool) {
      x.impl().grad_fn.reset();
    }
  }
  CHECK(right > 50);
  CHECK(refused > 20);
}
