#include <backflow/tests/support/normalized.h>

#include <cmath>
#include <numeric>

namespace backflow::test {
namespace {

std::int64_t offset_of(const Index& index, const Index& sizes, std::size_t begin, std::size_t end) {
  std::int64_t offset = 0;
  for (std::size_t d = begin; d < end; ++d) {
    offset = offset * sizes[d] + index[d];
  }
  return offset;
}

bool has_weight(Affine affine) { return affine == Affine::Weight || affine == Affine::Both; }
bool has_bias(Affine affine) { return affine == Affine::Bias || affine == Affine::Both; }

}  // namespace

NormalizedSets channel_sets() {
  const auto channel = [](const Index& i) { return i[1]; };
  return {channel, channel};
}

NormalizedSets group_sets(std::int64_t channels, std::int64_t groups) {
  return {[=](const Index& i) { return i[0] * groups + i[1] / (channels / groups); },
          [](const Index& i) { return i[1]; }};
}

NormalizedSets row_sets(const Index& sizes, std::size_t first) {
  return {[=](const Index& i) { return offset_of(i, sizes, 0, first); },
          [=](const Index& i) { return offset_of(i, sizes, first, sizes.size()); }};
}

Array normalized(const Arrays& x, Affine affine, const NormalizedSets& sets, double eps, const Statistics& statistics) {
  std::map<std::int64_t, std::vector<double>> numbers;
  for_each_index(x[0].sizes, [&](const Index& i) { numbers[sets.set(i)].push_back(x[0].at(i)); });
  Array y = x[0];
  for_each_index(x[0].sizes, [&](const Index& i) {
    const std::int64_t set = sets.set(i);
    const auto [m, v] = statistics(numbers[set], set);
    const auto p = static_cast<std::size_t>(sets.parameter(i));
    const double w = has_weight(affine) ? x[1].data[p] : 1;
    const double b = has_bias(affine) ? x.back().data[p] : 0;
    y.at(i) = (x[0].at(i) - m) / std::sqrt(v + eps) * w + b;
  });
  return y;
}

std::pair<double, double> mean_and_variance(const std::vector<double>& numbers, std::int64_t) {
  const auto n = static_cast<double>(numbers.size());
  const double mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / n;
  double squares = 0;
  for (const double v : numbers) {
    squares += (v - mean) * (v - mean);
  }
  return {mean, squares / n};
}

std::pair<double, double> mean_square(const std::vector<double>& numbers, std::int64_t) {
  return {0, std::inner_product(numbers.begin(), numbers.end(), numbers.begin(), 0.0) /
                 static_cast<double>(numbers.size())};
}

std::vector<Operand> norm_operands(const Operand& x, Affine affine, const Index& parameter) {
  std::vector<Operand> operands{x};
  if (has_weight(affine)) {
    operands.push_back({parameter});
  }
  if (has_bias(affine)) {
    operands.push_back({parameter});
  }
  return operands;
}

Tensor weight_of(const Tensors& x, Affine affine) { return has_weight(affine) ? x[1] : Tensor(); }
Tensor bias_of(const Tensors& x, Affine affine) { return has_bias(affine) ? x.back() : Tensor(); }

std::string python(Affine affine) {
  return std::string(has_weight(affine) ? "x[1]" : "None") + (has_bias(affine) ? ", x[-1]" : ", None");
}

const char* name(Affine affine) {
  return affine == Affine::None     ? "plain"
         : affine == Affine::Weight ? "weight"
         : affine == Affine::Bias   ? "bias"
                                    : "affine";
}

}  // namespace backflow::test
