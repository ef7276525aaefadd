#include <backflow/tests/support/loss_references.h>

#include <cmath>

namespace backflow::test {

const char* python_name(std::int64_t reduction) {
  return reduction == Reduction::None ? "'none'" : reduction == Reduction::Mean ? "'mean'" : "'sum'";
}

Array reduced(const Array& losses, std::int64_t reduction) {
  if (reduction == Reduction::None) {
    return losses;
  }
  double total = 0;
  for (const double v : losses.data) {
    total += v;
  }
  return {{}, {reduction == Reduction::Mean ? total / static_cast<double>(losses.data.size()) : total}};
}

Array log_softmax_of(const Array& x, std::size_t dim) {
  Array y = x;
  for_each_index(x.sizes, [&](const Index& index) {
    double total = 0;
    Index i = index;
    for (std::int64_t k = 0; k < (x.sizes.empty() ? 1 : x.sizes[dim]); ++k) {
      if (!x.sizes.empty()) {
        i[dim] = k;
      }
      total += std::exp(x.at(i));
    }
    y.at(index) = x.at(index) - std::log(total);
  });
  return y;
}

Tensor constants(const std::vector<double>& numbers, const Tensor& x) {
  const auto size = static_cast<std::int64_t>(numbers.size());
  return tensor_of(Array{{size}, numbers}, x.scalar_type());
}

std::string python_constants(const std::vector<double>& numbers) {
  std::string text;
  for (const double v : numbers) {
    text += (text.empty() ? "" : ", ") + std::to_string(v);
  }
  return "x[0].new_tensor([" + text + "])";
}

Samples loss_samples() {
  Samples all;
  for (const Samples& part :
       {pair_loss_samples(), class_loss_samples(), margin_loss_samples(), embedding_loss_samples()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace backflow::test
