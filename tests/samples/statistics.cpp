// Variances, standard deviations, norms and the logarithm of a sum of exponentials.
#include <cmath>
#include <limits>
#include <numeric>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>

namespace backflow::test {
namespace {

double variance(const Line& x, double correction) {
  const auto n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double squares = 0;
  for (const double v : x) {
    squares += (v - mean) * (v - mean);
  }
  return squares / std::max(0.0, n - correction);
}

double norm(const Line& x, double p) {
  double total = 0;
  double largest = 0;
  double smallest = x.empty() ? 0 : std::numeric_limits<double>::infinity();
  for (const double v : x) {
    total += p == 0 ? v != 0 : std::pow(std::abs(v), p);
    largest = std::max(largest, std::abs(v));
    smallest = std::min(smallest, std::abs(v));
  }
  return std::isinf(p) ? (p > 0 ? largest : smallest) : p == 0 ? total : std::pow(total, 1 / p);
}

double log_sum(const Line& x) {
  double total = 0;
  for (const double v : x) {
    total += std::exp(v);
  }
  return std::log(total);
}

struct Case {
  const char* label;
  Index sizes;
  Index dims;
  Layout layout = Layout::Contiguous;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {{"rows", {3, 4}, {0}},
                                           {"columns", {3, 4}, {-1}},
                                           {"middle", {2, 3, 4}, {1}},
                                           {"outer_two", {2, 3, 4}, {0, -1}},
                                           {"inner_two", {2, 3, 4}, {1, 2}},
                                           {"every_other", {2, 3, 2, 3}, {0, 2}},
                                           {"empty_kept", {3, 0}, {0}},
                                           {"tall", {150, 2}, {0}},
                                           {"transposed", {3, 4, 5}, {0}, Layout::Transposed},
                                           {"transposed_middle", {3, 4, 2}, {1}, Layout::Transposed},
                                           {"strided", {3, 5}, {1}, Layout::Strided},
                                           {"strided_rows", {3, 5}, {0}, Layout::Strided},
                                           {"expanded_kept", {3, 4}, {1}, Layout::Expanded}};
  return kCases;
}

void add_spread(Samples& all, const Case& c, bool unbiased, bool keep) {
  const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout}};
  const std::string label = std::string(c.label) + (unbiased ? "" : "_biased") + (keep ? "_keepdim" : "");
  const std::string arguments = "(x[0], " + python(c.dims) + ", " + python(unbiased) + ", " + python(keep) + ")";
  all.push_back(with_gradient(
      "var", label, one, [=](const Tensors& x) { return x[0].var(c.dims, unbiased, keep); },
      [=](const Arrays& x) {
        return reduce_lines(x[0], c.dims, keep, [=](const Line& line) { return variance(line, unbiased); });
      },
      "torch.var" + arguments));
  all.push_back(with_gradient(
      "std", label, one, [=](const Tensors& x) { return x[0].std(c.dims, unbiased, keep); },
      [=](const Arrays& x) {
        return reduce_lines(x[0], c.dims, keep, [=](const Line& line) { return std::sqrt(variance(line, unbiased)); });
      },
      "torch.std" + arguments));
}

void add_spreads(Samples& all) {
  for (const Case& c : cases()) {
    add_spread(all, c, true, false);
    add_spread(all, c, false, true);
  }
  for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
    for (const bool unbiased : {true, false}) {
      const std::vector<Operand> one = {{{3, 4}, -2, 2, layout}};
      const std::string label = std::string("all_") + name(layout) + (unbiased ? "" : "_biased");
      all.push_back(with_gradient(
          "var", label, one, [=](const Tensors& x) { return x[0].var(unbiased); },
          [=](const Arrays& x) {
            return reduce_lines(x[0], {}, false, [=](const Line& line) { return variance(line, unbiased); });
          },
          "torch.var(x[0], unbiased=" + python(unbiased) + ")"));
      all.push_back(with_gradient(
          "std", label, one, [=](const Tensors& x) { return x[0].std(unbiased); },
          [=](const Arrays& x) {
            return reduce_lines(x[0], {}, false, [=](const Line& line) { return std::sqrt(variance(line, unbiased)); });
          },
          "torch.std(x[0], unbiased=" + python(unbiased) + ")"));
    }
  }
  const auto corrected = [](const Arrays& x) {
    return reduce_lines(x[0], {1}, true, [](const Line& line) { return variance(line, 2); });
  };
  const auto whole = [](const Arrays& x) {
    return reduce_lines(x[0], {}, false, [](const Line& line) { return variance(line, 1); });
  };
  const auto root = [](auto f) {
    return [f](const Arrays& x) { return map(f(x), [](double v) { return std::sqrt(v); }); };
  };
  all.push_back(with_gradient(
      "var", "correction", {{{3, 4}}}, [](const Tensors& x) { return x[0].var({1}, std::optional<Scalar>(2), true); },
      corrected, "torch.var(x[0], (1,), correction=2, keepdim=True)"));
  all.push_back(with_gradient(
      "std", "correction", {{{3, 4}}}, [](const Tensors& x) { return x[0].std({1}, std::optional<Scalar>(2), true); },
      root(corrected), "torch.std(x[0], (1,), correction=2, keepdim=True)"));
  all.push_back(with_gradient(
      "var", "default", {{{3, 4}}}, [](const Tensors& x) { return x[0].var(); }, whole, "torch.var(x[0])"));
  all.push_back(with_gradient(
      "std", "default", {{{3, 4}}}, [](const Tensors& x) { return x[0].std(); }, root(whole), "torch.std(x[0])"));
  all.push_back(with_gradient(
      "var", "of_one", {{{3, 1}}}, [](const Tensors& x) { return x[0].var({1}, true); },
      [](const Arrays& x) { return reduce_lines(x[0], {1}, false, [](const Line& l) { return variance(l, 1); }); },
      "torch.var(x[0], [1], True)"));
}

void add_norms(Samples& all) {
  struct Power {
    double p;
    const char* name;
    const char* python;
  };
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const Power& power : std::vector<Power>{{2, "2", "2"},
                                               {1, "1", "1"},
                                               {0, "0", "0"},
                                               {3, "3", "3"},
                                               {1.5, "1.5", "1.5"},
                                               {0.5, "0.5", "0.5"},
                                               {-1, "minus_1", "-1"},
                                               {kInf, "inf", "float('inf')"},
                                               {-kInf, "minus_inf", "-float('inf')"}}) {
    const double p = power.p;
    const auto of = [p](const Line& line) { return norm(line, p); };
    for (const Layout layout : {Layout::Contiguous, Layout::Transposed}) {
      Sample s = with_gradient(
          "norm", std::string(power.name) + "_" + name(layout), {{{3, 4}, -2, 2, layout}},
          [p](const Tensors& x) { return x[0].norm(p); },
          [of](const Arrays& x) { return reduce_lines(x[0], {}, false, of); },
          std::string("torch.norm(x[0], ") + power.python + ")");
      s.tolerance = 4;
      all.push_back(s);
      s = with_gradient(
          "norm", std::string(power.name) + "_dim_" + name(layout), {{{3, 4}, -2, 2, layout}},
          [p](const Tensors& x) { return x[0].norm(p, 1); },
          [of](const Arrays& x) { return reduce_lines(x[0], {1}, false, of); },
          std::string("torch.norm(x[0], ") + power.python + ", 1)");
      s.tolerance = 4;
      all.push_back(s);
    }
  }
  const auto two = [](const Line& line) { return norm(line, 2); };
  for (const Case& c : cases()) {
    all.push_back(with_gradient(
        "norm", c.label, {{c.sizes, -2, 2, c.layout}},
        [c](const Tensors& x) { return x[0].norm(std::nullopt, c.dims, true); },
        [c, two](const Arrays& x) { return reduce_lines(x[0], c.dims, true, two); },
        "torch.norm(x[0], 2, " + python(c.dims) + ", True)"));
  }
  all.push_back(with_gradient(
      "norm", "default", {{{5}}}, [](const Tensors& x) { return x[0].norm(); },
      [two](const Arrays& x) { return reduce_lines(x[0], {}, false, two); }, "torch.norm(x[0])"));
  all.push_back(with_gradient(
      "norm", "dtype", {{{2, 3}}}, [](const Tensors& x) { return x[0].norm(2, kFloat64); },
      [two](const Arrays& x) { return reduce_lines(x[0], {}, false, two); },
      "torch.norm(x[0], 2, dtype=torch.float64)"));
  all.push_back(with_gradient(
      "norm", "dtype_dim", {{{2, 3}}}, [](const Tensors& x) { return x[0].norm(2, 1, true, kFloat64); },
      [two](const Arrays& x) { return reduce_lines(x[0], {1}, true, two); },
      "torch.norm(x[0], 2, 1, True, dtype=torch.float64)"));
}

void add_logsumexp(Samples& all) {
  std::vector<Case> rows = cases();
  rows.push_back({"scalar", {}, {0}});
  rows.push_back({"empty", {0, 3}, {0}});
  for (const Case& c : rows) {
    for (const bool keep : {false, true}) {
      all.push_back(with_gradient(
          "logsumexp", std::string(c.label) + (keep ? "_keepdim" : ""), {{c.sizes, -2, 2, c.layout}},
          [c, keep](const Tensors& x) { return x[0].logsumexp(c.dims, keep); },
          [c, keep](const Arrays& x) { return reduce_lines(x[0], c.dims, keep, log_sum); },
          "torch.logsumexp(x[0], " + python(c.dims) + ", " + python(keep) + ")"));
    }
  }
}

}  // namespace

Samples statistics_samples() {
  Samples all;
  add_spreads(all);
  add_norms(all);
  add_logsumexp(all);
  return all;
}

}  // namespace backflow::test
