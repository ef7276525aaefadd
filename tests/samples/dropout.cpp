// Dropout: the masks are computed in plain loops from Philox's words.
#include <cmath>

#include <backflow/ops/creation/dropout.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

constexpr std::uint64_t kSeed = 11;
constexpr std::uint64_t kStream = std::uint64_t{1} << 62;  // the first of a tensor

/// Whether feature i is kept: 64 features have the four words of 16 blocks, word by word.
bool is_kept(std::int64_t i, double p) {
  const auto block = static_cast<std::uint32_t>(i / 64 * 16 + i % 16);
  const Philox4x32::Counter words =
      Philox4x32::block({block, 0, static_cast<std::uint32_t>(kStream), static_cast<std::uint32_t>(kStream >> 32)},
                        {static_cast<std::uint32_t>(kSeed), 0});
  return words[static_cast<std::size_t>(i % 64 / 16)] >= p * 0x1p32;
}

/// What becomes of an element.
struct Rule {
  double p;
  double scale;
  double shift = 0;
  double dropped = 0;
};

Array dropped(const Array& x, std::int64_t feature_size, const Rule& rule) {
  Array y = x;
  for (std::size_t i = 0; i < y.data.size(); ++i) {
    y.data[i] = is_kept(static_cast<std::int64_t>(i) / feature_size, rule.p) ? rule.scale * x.data[i] + rule.shift
                                                                             : rule.dropped;
  }
  return y;
}

/// The same in Python, with the mask written out.
std::string in_torch(const Index& sizes, std::int64_t feature_size, const Rule& rule) {
  std::int64_t n = 1;
  for (const std::int64_t size : sizes) {
    n *= size;
  }
  std::string mask;
  for (std::int64_t i = 0; i < n; ++i) {
    mask += is_kept(i / feature_size, rule.p) ? "1," : "0,";
  }
  const auto number = [](double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", v);
    return std::string(text);
  };
  return "torch.where(torch.tensor([" + mask + "], dtype=torch.bool).reshape(" + python(sizes) + "), x[0] * " +
         number(rule.scale) + " + " + number(rule.shift) + ", torch.tensor(" + number(rule.dropped) +
         ", dtype=x[0].dtype))";
}

const std::vector<Operand>& operands() {
  static const std::vector<Operand> kAll = {numbers({3, 4}),
                                            numbers({5, 3, 17}),
                                            numbers({2, 24, 3, 3}),
                                            numbers({3, 7, 2}, Layout::Transposed),
                                            numbers({4, 5}, Layout::Strided),
                                            numbers({3, 4}, Layout::Expanded),
                                            numbers({0, 3}),
                                            numbers({1, 1})};
  return kAll;
}

std::string label_of(const Operand& x) {
  std::string text = name(x.layout);
  for (const std::int64_t n : x.sizes) {
    text += "_" + std::to_string(n);
  }
  return text;
}

struct Kind {
  const char* name;
  Tensor (*call)(const Tensor&, double, bool);
  Tensor& (*inplace)(const Tensor&, double, bool);
  bool of_features;
  bool is_alpha;
};

Rule rule_of(const Kind& kind, double p) {
  if (!kind.is_alpha) {
    return {p, 1 / (1 - p)};
  }
  const double alpha = 1.7580993408473766;
  const double a = 1 / std::sqrt((alpha * alpha * p + 1) * (1 - p));
  return {p, a, alpha * a * p, -alpha * a + alpha * a * p};
}

void add_kind(Samples& all, const Kind& kind) {
  const auto add = [&](const std::string& label, const Operand& x, double p, bool train,
                       const std::function<Array(const Arrays&)>& reference, const std::string& torch) {
    all.push_back({.op = kind.name,
                   .label = label + label_of(x),
                   .operands = {x},
                   .call =
                       [kind, p, train](const Tensors& t) {
                         const DefaultGeneratorGuard guard({kSeed, 0});
                         return kind.call(t[0], p, train);
                       },
                   .reference = reference,
                   .inplace =
                       [kind, p, train](const Tensors& t) {
                         const DefaultGeneratorGuard guard({kSeed, 0});
                         kind.inplace(t[0], p, train);
                       },
                   .torch = torch});
    if (x.layout == Layout::Expanded || x.sizes[0] == 0 || p == 0 || !train) {  // where nothing is done, or cannot be
      all.back().inplace = nullptr;
    }
  };
  for (const Operand& x : operands()) {
    std::int64_t size = 1;
    for (std::size_t d = 2; kind.of_features && d < x.sizes.size(); ++d) {
      size *= x.sizes[d];
    }
    const Rule rule = rule_of(kind, 0.375);
    add(
        "some_", x, rule.p, true, [=](const Arrays& a) { return dropped(a[0], size, rule); },
        in_torch(x.sizes, size, rule));
  }
  const Operand x = numbers({2, 3, 5});
  const std::string call = std::string("torch.") + kind.name + "(x[0], ";
  const auto same = [](const Arrays& a) { return a[0]; };
  add("nothing_", x, 0, true, same, call + "0, True)");
  add("evaluating_", x, 0.5, false, same, call + "0.5, False)");
  add(
      "all_", x, 1, true, [](const Arrays& a) { return map(a[0], [](double) { return 0; }); }, call + "1, True)");
}

void add_philox(Samples& all) {
  for (const Operand& x : operands()) {
    for (const std::int64_t size : {1, 3}) {
      std::int64_t n = 1;
      for (const std::int64_t length : x.sizes) {
        n *= length;
      }
      if (n % size != 0) {
        continue;
      }
      const Rule rule{0.25, 1.5, 0.5, -3};
      all.push_back({.op = "philox_dropout",
                     .label = label_of(x) + "_of_" + std::to_string(size),
                     .operands = {x},
                     .call =
                         [=](const Tensors& t) {
                           return philox_dropout(t[0], rule.p, rule.scale, rule.shift, rule.dropped, size, kSeed,
                                                 kStream);
                         },
                     .reference = [=](const Arrays& a) { return dropped(a[0], size, rule); },
                     .inplace =
                         [=](const Tensors& t) {
                           t[0].philox_dropout_(rule.p, rule.scale, rule.shift, rule.dropped, size, kSeed, kStream);
                         },
                     .torch = in_torch(x.sizes, size, rule)});
      if (x.layout == Layout::Expanded) {
        all.back().inplace = nullptr;
      }
    }
  }
}

}  // namespace

Samples dropout_samples() {
  Samples all;
  add_philox(all);
  add_kind(all, {"dropout", dropout, dropout_, false, false});
  add_kind(all, {"feature_dropout", feature_dropout, feature_dropout_, true, false});
  add_kind(all, {"alpha_dropout", alpha_dropout, alpha_dropout_, false, true});
  add_kind(all, {"feature_alpha_dropout", feature_alpha_dropout, feature_alpha_dropout_, true, true});
  return all;
}

}  // namespace backflow::test
