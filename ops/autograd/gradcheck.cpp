#include <backflow/ops/autograd/gradcheck.h>

#include <cmath>
#include <optional>

#include <backflow/ops/creation/random.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>

namespace backflow::autograd {
namespace {

template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) {
    throw GradcheckError(to_text("gradcheck: ", parts...));
  }
}

/// The identity, whose backward hands on no gradient: what comes before it sees an undefined one.
class UndefinedGrad final : public Node {
 public:
  explicit UndefinedGrad(const Tensor& x) : edge_(gradient_edge(x)) { set_edges({&edge_, 1}); }
  std::string name() const override { return "UndefinedGradBackward0"; }
  void apply(NodeCall&) override {}

  static Tensor of(const Tensor& x) {
    Tensor y = x.detach();
    set_history(y, Node::make<UndefinedGrad>(x));
    return y;
  }

 private:
  Edge edge_;
};

/// The elements in row-major order, as float64.
std::vector<double> values_of(const Tensor& x) {
  const Tensor flat = x.detach().to(kFloat64).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// The element of row-major index `i`, which need not lie at place i.
double& element(const Tensor& x, std::int64_t i) {
  double* at = x.mutable_data_ptr<double>();
  for (std::size_t d = x.sizes().size(); d-- > 0;) {
    at += i % x.sizes()[d] * x.strides()[d];
    i /= x.sizes()[d];
  }
  return *at;
}

bool differentiable(const Tensor& x) { return x.defined() && x.requires_grad(); }

variable_list differentiable(const variable_list& list) {
  variable_list result;
  for (const Tensor& x : list) {
    if (differentiable(x)) {
      result.push_back(x);
    }
  }
  return result;
}

/// dy/dx at [element of x, element of y].
struct Jacobian {
  std::int64_t rows;
  std::int64_t columns;
  std::vector<double> data;

  Jacobian(const Tensor& x, const Tensor& y)
      : rows(x.numel()), columns(y.numel()), data(static_cast<std::size_t>(rows * columns)) {}
  double& at(std::int64_t row, std::int64_t column) { return data[static_cast<std::size_t>(row * columns + column)]; }

  Tensor tensor() const {
    Tensor t = empty_tensor({rows, columns}, kFloat64);
    std::copy(data.begin(), data.end(), t.mutable_data_ptr<double>());
    return t;
  }
};

class Check {
 public:
  Check(const ListFunction& func, const variable_list& inputs, const GradcheckOptions& options)
      : func_(func), inputs_(inputs), options_(options) {
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      if (differentiable(inputs[j])) {
        wanted_.push_back(j);
        wanted_inputs_.push_back(inputs[j]);
      }
    }
  }

  void run() {
    check_inputs();
    const variable_list y = func_(inputs_);
    const std::vector<std::vector<Jacobian>> numerical = differences(y);
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (differentiable(y[i])) {
        compare(y[i], i, numerical[i]);
      } else {
        check_independent(i, numerical[i]);
      }
    }
    if (!differentiable(y).empty()) {
      check_zero_gradient();
      if (options_.check_undefined_grad) {
        check_undefined_gradients();
      }
    }
  }

 private:
  void check_inputs() const {
    check(!wanted_.empty(), "gradcheck: none of ", inputs_.size(),
          " inputs requires a gradient: need requires_grad_()");
    for (const std::size_t j : wanted_) {
      const Tensor& x = inputs_[j];
      check(x.scalar_type() == kFloat64, "gradcheck: input ", j, " is ", describe(x),
            ": need float64, since differences are too coarse in others; to(kFloat64) gives it");
      for (std::size_t d = 0; d < x.sizes().size(); ++d) {
        check(x.strides()[d] > 0 || x.sizes()[d] <= 1, "gradcheck: input ", j, " is ", describe(x), " with strides ",
              x.strides(), ", whose elements share memory: need each for itself; contiguous() copies them");
      }
    }
  }

  /// Central differences of every output, [output][wanted input].
  std::vector<std::vector<Jacobian>> differences(const variable_list& y) const {
    std::vector<std::vector<Jacobian>> result(y.size());
    for (const Tensor& x : wanted_inputs_) {
      for (std::size_t i = 0; i < y.size(); ++i) {
        result[i].emplace_back(x, y[i]);
      }
      for (std::int64_t row = 0; row < x.numel(); ++row) {
        const double value = element(x, row);
        const auto above = outputs_at(x, row, value + options_.eps);
        const auto below = outputs_at(x, row, value - options_.eps);
        for (std::size_t i = 0; i < y.size(); ++i) {
          for (std::int64_t column = 0; column < y[i].numel(); ++column) {
            const auto c = static_cast<std::size_t>(column);
            result[i].back().at(row, column) = (above[i][c] - below[i][c]) / (2 * options_.eps);
          }
        }
      }
    }
    return result;
  }

  /// The outputs with one element of `x` replaced.
  std::vector<std::vector<double>> outputs_at(const Tensor& x, std::int64_t index, double value) const {
    struct Restore {
      double& place;
      double old;
      ~Restore() { place = old; }
    };
    double& place = element(x, index);
    const Restore restore{place, place};
    place = value;
    std::vector<std::vector<double>> result;
    for (const Tensor& y : func_(inputs_)) {
      result.push_back(values_of(y));
    }
    return result;
  }

  /// What backward says of one output, [wanted input].
  std::vector<Jacobian> analytical(const Tensor& y, std::size_t output) const {
    std::vector<Jacobian> result;
    for (const Tensor& x : wanted_inputs_) {
      result.emplace_back(x, y);
    }
    for (std::int64_t column = 0; column < y.numel(); ++column) {
      Tensor unit = zeros_like(y);
      unit.reshape(-1)[column].fill_(1);
      const variable_list dx = grad({y}, wanted_inputs_, {unit}, true, false, true);
      for (std::size_t j = 0; j < dx.size(); ++j) {
        if (!dx[j].defined()) {
          continue;
        }
        check_kind(dx[j], output, j);
        const std::vector<double> values = values_of(dx[j]);
        for (std::int64_t row = 0; row < result[j].rows; ++row) {
          result[j].at(row, column) = values[static_cast<std::size_t>(row)];
        }
      }
    }
    return result;
  }

  void check_kind(const Tensor& dx, std::size_t output, std::size_t j) const {
    const Tensor& x = wanted_inputs_[j];
    require(dx.sizes() == x.sizes(), "the gradient of output ", output, " with respect to input ", wanted_[j], " is ",
            describe(dx), ", the input ", describe(x), ": need equal shapes");
    require(!options_.check_grad_dtypes || dx.scalar_type() == x.scalar_type(), "the gradient of output ", output,
            " with respect to input ", wanted_[j], " is ", describe(dx), ", the input ", describe(x),
            ": need equal dtypes");
  }

  void compare(const Tensor& y, std::size_t output, const std::vector<Jacobian>& numerical) const {
    const std::vector<Jacobian> found = analytical(y, output);
    const std::vector<Jacobian> again = analytical(y, output);
    for (std::size_t j = 0; j < wanted_.size(); ++j) {
      for (std::size_t e = 0; e < found[j].data.size(); ++e) {
        const double a = found[j].data[e];
        const double n = numerical[j].data[e];
        // Not the other way round: NaN must fail.
        require(std::abs(a - n) <= options_.atol + options_.rtol * std::abs(n) || a == n,
                "Jacobian mismatch for output ", output, " with respect to input ", wanted_[j],
                ",\nnumerical: ", numerical[j].tensor(), "\nanalytical: ", found[j].tensor());
        require(std::abs(a - again[j].data[e]) <= options_.nondet_tol || a == again[j].data[e], "backward of output ",
                output, " is not deterministic: two passes give ", a, " and ", again[j].data[e], " for input ",
                wanted_[j], ": need them to differ by at most nondet_tol, ", options_.nondet_tol);
      }
    }
  }

  void check_independent(std::size_t output, const std::vector<Jacobian>& numerical) const {
    for (std::size_t j = 0; j < wanted_.size(); ++j) {
      for (const double d : numerical[j].data) {
        require(std::abs(d) <= options_.eps, "output ", output, " requires no gradient, yet depends on input ",
                wanted_[j], ",\nnumerical: ", numerical[j].tensor());
      }
    }
  }

  void check_zero_gradient() const { require_zero(differentiable(func_(inputs_)), "a gradient of zeros"); }

  void check_undefined_gradients() const {
    const std::size_t outputs = differentiable(func_(inputs_)).size();
    const auto check_without = [&](std::optional<std::size_t> one) {
      variable_list y = differentiable(func_(inputs_));
      for (std::size_t i = 0; i < y.size(); ++i) {
        y[i] = !one || *one == i ? UndefinedGrad::of(y[i]) : y[i];
      }
      require_zero(y, "an undefined gradient");
    };
    check_without({});
    for (std::size_t i = 0; outputs > 1 && i < outputs; ++i) {
      check_without(i);
    }
  }

  /// That backward from `y`, with zeros, gives zeros or nothing.
  void require_zero(const variable_list& y, const char* what) const {
    variable_list dy;
    for (const Tensor& t : y) {
      dy.push_back(zeros_like(t));
    }
    variable_list dx;
    try {
      dx = grad(y, wanted_inputs_, dy, true, false, true);
    } catch (const Error& error) {
      throw GradcheckError(to_text("gradcheck: backward fails for ", what, " of an output: ", error.what()));
    }
    for (std::size_t j = 0; j < dx.size(); ++j) {
      if (!dx[j].defined()) {
        continue;
      }
      for (const double d : values_of(dx[j])) {
        require(d == 0, "input ", wanted_[j], " has the gradient ", dx[j], " for ", what,
                " of the outputs: need zeros, since backward is linear");
      }
    }
  }

  const ListFunction& func_;
  const variable_list& inputs_;
  const GradcheckOptions& options_;
  std::vector<std::size_t> wanted_;  ///< numbers of the inputs that require a gradient
  variable_list wanted_inputs_;
};

variable_list random_like(const variable_list& outputs) {
  Generator generator;
  variable_list result;
  for (const Tensor& y : outputs) {
    result.push_back((rand(y.sizes(), generator, y.scalar_type()) * 2 - 1).detach().requires_grad_());
  }
  return result;
}

}  // namespace

bool gradcheck(const ListFunction& func, const variable_list& inputs, const GradcheckOptions& options) {
  const AutoGradMode recording(true);
  try {
    Check(func, inputs, options).run();
  } catch (const GradcheckError&) {
    if (options.raise_exception) {
      throw;
    }
    return false;
  }
  return true;
}

bool gradgradcheck(const ListFunction& func, const variable_list& inputs, const variable_list& grad_outputs,
                   const GradcheckOptions& options) {
  const AutoGradMode recording(true);
  const variable_list dy = grad_outputs.empty() ? random_like(differentiable(func(inputs))) : grad_outputs;
  check(!dy.empty(), "gradgradcheck: no output requires a gradient: need one that does");
  const auto gradients = [&](const variable_list& all) {
    const auto middle = all.end() - static_cast<std::ptrdiff_t>(dy.size());
    const variable_list x(all.begin(), middle);
    variable_list result;
    for (const Tensor& dx : grad(differentiable(func(x)), differentiable(x), {middle, all.end()}, true, true, true)) {
      if (dx.defined()) {
        result.push_back(dx);
      }
    }
    return result;
  };
  variable_list all = inputs;
  all.insert(all.end(), dy.begin(), dy.end());
  return gradcheck(gradients, all, options);
}

}  // namespace backflow::autograd
