// Sums, means and maxima of rows of a table.
#include <algorithm>
#include <optional>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

struct Case {
  const char* label;
  Operand weight;
  Operand indices;
  Index offsets;
  bool has_last = false;
  std::optional<std::int64_t> padding = {};
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kAll = {
      {"bags", numbers({7, 3}), indices({9}, 7), {0, 2, 5}},
      {"empty_bags", numbers({5, 5}), indices({6}, 5), {0, 0, 3, 3, 6}},
      {"last_offset", numbers({6, 17}), indices({8}, 6), {0, 3, 5, 8}, true},
      {"padding", numbers({4, 3}), indices({12}, 4), {0, 4, 5, 9}, false, 2},
      {"padding_from_the_end", numbers({3, 2}), indices({10}, 3), {0, 5, 8}, false, -1},
      {"one", numbers({1, 1}), indices({1}, 1), {0}},
      {"no_indices", numbers({4, 3}), indices({0}, 4), {0, 0}},
      {"many_equal", numbers({2, 24}), indices({40}, 2), {0, 20}},
      {"transposed", numbers({5, 3}, Layout::Transposed), indices({6}, 5), {0, 2}},
      {"strided", numbers({5, 3}, Layout::Strided), indices({6}, 5, Layout::Strided), {0, 2}}};
  return kAll;
}

/// f(output, place in the weight, number of the index) for all indices that count, and the sizes of the bags.
template <class F>
std::vector<double> for_each_term(const Arrays& x, const Case& c, const F& f) {
  const std::size_t count = c.offsets.size() - (c.has_last ? 1 : 0);
  const auto columns = static_cast<std::size_t>(x[0].sizes[1]);
  const std::int64_t rows = x[0].sizes[0];
  const double padding = static_cast<double>(!c.padding ? -1 : *c.padding < 0 ? *c.padding + rows : *c.padding);
  std::vector<double> sizes(count);
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t end = b + 1 < c.offsets.size() ? static_cast<std::size_t>(c.offsets[b + 1]) : x[1].data.size();
    for (auto i = static_cast<std::size_t>(c.offsets[b]); i < end; ++i) {
      if (x[1].data[i] != padding) {
        sizes[b] += 1;
        for (std::size_t j = 0; j < columns; ++j) {
          f(b * columns + j, static_cast<std::size_t>(x[1].data[i]) * columns + j, i);
        }
      }
    }
  }
  return sizes;
}

Array bags(const Arrays& x, const Case& c, std::int64_t mode) {
  const auto count = static_cast<std::int64_t>(c.offsets.size()) - (c.has_last ? 1 : 0);
  Array y = array_of({count, x[0].sizes[1]});
  std::vector<bool> has(y.data.size());
  const std::vector<double> sizes = for_each_term(x, c, [&](std::size_t o, std::size_t w, std::size_t i) {
    const double v = x[0].data[w];
    y.data[o] = mode != 2 ? y.data[o] + v * (x.size() > 2 ? x[2].data[i] : 1) : has[o] ? std::max(y.data[o], v) : v;
    has[o] = true;
  });
  const auto columns = static_cast<std::size_t>(x[0].sizes[1]);
  for (std::size_t o = 0; mode == 1 && o < y.data.size(); ++o) {
    y.data[o] /= std::max(1.0, sizes[o / columns]);
  }
  return y;
}

std::string in_torch(const Case& c, std::int64_t mode, bool weighted) {
  const std::string padding = c.padding ? ", " + std::to_string(*c.padding) : "";
  return "torch.embedding_bag(x[0], x[1], torch.tensor(" + python(c.offsets) + "), False, " + std::to_string(mode) +
         ", False, " + (weighted ? "x[2]" : "None") + ", " + python(c.has_last) + padding + ")[0]";
}

}  // namespace

Samples embedding_bag_samples() {
  Samples all;
  for (const Case& c : cases()) {
    for (const std::int64_t mode : {0, 1, 2}) {
      all.push_back(with_gradient(
          "embedding_bag",
          std::string(c.label) + (mode == 0   ? "_sum"
                                  : mode == 1 ? "_mean"
                                              : "_max"),
          {c.weight, c.indices},
          [c, mode](const Tensors& x) {
            return std::get<0>(
                embedding_bag(x[0], x[1], tensor(c.offsets), false, mode, false, {}, c.has_last, c.padding));
          },
          [c, mode](const Arrays& x) { return bags(x, c, mode); }, in_torch(c, mode, false)));
    }
    all.push_back(with_gradient(
        "embedding_bag", std::string(c.label) + "_weighted", {c.weight, c.indices, numbers(c.indices.sizes)},
        [c](const Tensors& x) {
          return std::get<0>(
              embedding_bag(x[0], x[1], tensor(c.offsets), false, 0, false, x[2], c.has_last, c.padding));
        },
        [c](const Arrays& x) { return bags(x, c, 0); }, in_torch(c, 0, true)));
  }
  return all;
}

}  // namespace backflow::test
