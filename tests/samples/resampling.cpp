// Resampling: the reference makes the weights of each dimension in float64 and sums over all elements.
#include <algorithm>
#include <cmath>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

using Scale = std::optional<double>;
using Matrix = std::vector<std::vector<double>>;  // [resampled][size]

enum class Filter { Nearest, Linear, Cubic };

double step_of(std::int64_t size, std::int64_t resampled, bool align, const Scale& scale) {
  if (align) {
    return resampled > 1 ? static_cast<double>(size - 1) / static_cast<double>(resampled - 1) : 0;
  }
  return scale ? 1 / *scale : static_cast<double>(size) / static_cast<double>(resampled);
}

/// Keys' kernel.
double keys(double x) {
  const double a = -0.75;
  x = std::abs(x);
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

Matrix weights(Filter filter, std::int64_t size, std::int64_t resampled, bool align, const Scale& scale) {
  Matrix all(static_cast<std::size_t>(resampled), std::vector<double>(static_cast<std::size_t>(size)));
  const double step = step_of(size, resampled, align, scale);
  for (std::int64_t i = 0; i < resampled; ++i) {
    const auto add = [&](double at, double w) {
      const double inside = std::min(std::max(at, 0.0), static_cast<double>(size - 1));
      all[static_cast<std::size_t>(i)][static_cast<std::size_t>(inside)] += w;
    };
    const double center = static_cast<double>(i);
    const double place = align ? center * step : (center + 0.5) * step - 0.5;
    if (filter == Filter::Nearest) {
      add(std::floor(center * step), 1);
    } else if (filter == Filter::Linear) {
      const double inside = std::max(place, 0.0);
      const double below = std::floor(inside);
      add(below, 1 - (inside - below));
      add(below + 1, inside - below);
    } else {
      for (int k = -1; k <= 2; ++k) {
        const double at = std::floor(place) + k;
        add(at, keys(place - at));
      }
    }
  }
  return all;
}

struct Case {
  const char* label;
  Operand x;
  Index output;
  std::vector<Scale> scales = {};
};

/// y[n][c][i...] = the sum over j... of the weights' product times x[n][c][j...], or transposed.
Array apply(const Array& from, const Index& to_sizes, const std::vector<Matrix>& maps, bool transposed) {
  Array to = array_of(to_sizes);
  for_each_index(to_sizes, [&](const Index& at) {
    for_each_index(Index(from.sizes.begin() + 2, from.sizes.end()), [&](const Index& other) {
      double w = 1;
      Index place = {at[0], at[1]};
      for (std::size_t d = 0; d < maps.size(); ++d) {
        const auto mine = static_cast<std::size_t>(at[2 + d]);
        const auto its = static_cast<std::size_t>(other[d]);
        w *= transposed ? maps[d][its][mine] : maps[d][mine][its];
        place.push_back(other[d]);
      }
      if (w != 0) {
        to.at(at) += w * from.at(place);
      }
    });
  });
  return to;
}

std::string in_torch(const std::string& op, const Case& c, bool backward, std::optional<bool> align) {
  std::string text = "torch.ops.aten." + op + (backward ? "_backward" : "") + "(x[0], " + python(c.output);
  if (backward) {
    text += ", " + python(c.x.sizes);
  }
  if (align) {
    text += ", " + python(*align);
  }
  for (const Scale& scale : c.scales) {
    text += ", " + (scale ? std::to_string(*scale) : "None");
  }
  return text + ")";
}

/// A function and its backward: call(x, case) and backward(dy, case).
struct Function {
  std::string op;
  Filter filter;
  std::optional<bool> align;
  std::function<Tensor(const Tensor&, const Case&)> call;
  std::function<Tensor(const Tensor&, const Case&)> backward;
};

void add(Samples& all, const Function& f, const Case& c) {
  std::vector<Matrix> maps;
  for (std::size_t d = 0; d < c.output.size(); ++d) {
    maps.push_back(weights(f.filter, c.x.sizes[2 + d], c.output[d], f.align.value_or(false),
                           d < c.scales.size() ? c.scales[d] : Scale()));
  }
  const std::string label = std::string(c.label) + (f.align ? *f.align ? "_corners" : "_cells" : "");
  Index large = {c.x.sizes[0], c.x.sizes[1]};
  large.insert(large.end(), c.output.begin(), c.output.end());
  all.push_back({.op = f.op,
                 .label = label,
                 .operands = {c.x},
                 .call = [=](const Tensors& x) { return f.call(x[0], c); },
                 .reference = [=](const Arrays& x) { return apply(x[0], large, maps, false); },
                 .tolerance = 8,  // places between elements are rounded
                 .torch = in_torch(f.op, c, false, f.align)});
  all.push_back({.op = f.op + "_backward",
                 .label = label,
                 .operands = {numbers(large, c.x.layout)},
                 .call = [=](const Tensors& x) { return f.backward(x[0], c); },
                 .reference = [=](const Arrays& x) { return apply(x[0], c.x.sizes, maps, true); },
                 .tolerance = 8,
                 .torch = in_torch(f.op, c, true, f.align)});
}

Scale scale(const Case& c, std::size_t d) { return d < c.scales.size() ? c.scales[d] : Scale(); }

void add_lines(Samples& all) {
  for (const Case& c : std::vector<Case>{{"twice", numbers({2, 3, 5}), {10}},
                                         {"more", numbers({1, 2, 7}), {19}},
                                         {"fewer", numbers({1, 2, 17}), {5}},
                                         {"same", numbers({2, 1, 6}), {6}},
                                         {"one_to_many", numbers({1, 1, 1}), {5}},
                                         {"many_to_one", numbers({1, 1, 6}), {1}},
                                         {"scale", numbers({1, 2, 5}), {12}, {2.5}},
                                         {"transposed", numbers({2, 3, 5}, Layout::Transposed), {8}},
                                         {"no_images", numbers({0, 3, 5}), {8}}}) {
    add(all,
        {"upsample_nearest1d",
         Filter::Nearest,
         {},
         [](const Tensor& x, const Case& k) { return upsample_nearest1d(x, k.output, scale(k, 0)); },
         [](const Tensor& x, const Case& k) {
           return upsample_nearest1d_backward(x, k.output, k.x.sizes, scale(k, 0));
         }},
        c);
    for (const bool align : {false, true}) {
      add(all,
          {"upsample_linear1d", Filter::Linear, align,
           [align](const Tensor& x, const Case& k) { return upsample_linear1d(x, k.output, align, scale(k, 0)); },
           [align](const Tensor& x, const Case& k) {
             return upsample_linear1d_backward(x, k.output, k.x.sizes, align, scale(k, 0));
           }},
          c);
    }
  }
}

void add_images(Samples& all) {
  for (const Case& c : std::vector<Case>{{"twice", numbers({1, 2, 3, 5}), {6, 10}},
                                         {"four_times", numbers({1, 1, 2, 5}), {8, 20}},
                                         {"more", numbers({2, 1, 3, 4}), {7, 9}},
                                         {"fewer", numbers({1, 1, 7, 9}), {3, 4}},
                                         {"higher", numbers({1, 2, 3, 5}), {7, 5}},
                                         {"wider_lower", numbers({1, 1, 6, 3}), {4, 17}},
                                         {"one", numbers({1, 3, 1, 1}), {3, 2}},
                                         {"to_one", numbers({1, 1, 4, 5}), {1, 1}},
                                         {"scale", numbers({1, 1, 3, 4}), {4, 10}, {1.5, 2.5}},
                                         {"strided", numbers({2, 2, 3, 2}, Layout::Strided), {5, 4}},
                                         {"expanded", numbers({2, 2, 3, 2}, Layout::Expanded), {2, 3}},
                                         {"no_images", numbers({0, 2, 3, 5}), {2, 3}}}) {
    add(all,
        {"upsample_nearest2d",
         Filter::Nearest,
         {},
         [](const Tensor& x, const Case& k) { return upsample_nearest2d(x, k.output, scale(k, 0), scale(k, 1)); },
         [](const Tensor& x, const Case& k) {
           return upsample_nearest2d_backward(x, k.output, k.x.sizes, scale(k, 0), scale(k, 1));
         }},
        c);
    for (const bool align : {false, true}) {
      add(all,
          {"upsample_bilinear2d", Filter::Linear, align,
           [align](const Tensor& x, const Case& k) {
             return upsample_bilinear2d(x, k.output, align, scale(k, 0), scale(k, 1));
           },
           [align](const Tensor& x, const Case& k) {
             return upsample_bilinear2d_backward(x, k.output, k.x.sizes, align, scale(k, 0), scale(k, 1));
           }},
          c);
      add(all,
          {"upsample_bicubic2d", Filter::Cubic, align,
           [align](const Tensor& x, const Case& k) {
             return upsample_bicubic2d(x, k.output, align, scale(k, 0), scale(k, 1));
           },
           [align](const Tensor& x, const Case& k) {
             return upsample_bicubic2d_backward(x, k.output, k.x.sizes, align, scale(k, 0), scale(k, 1));
           }},
          c);
    }
  }
}

void add_volumes(Samples& all) {
  for (const Case& c : std::vector<Case>{{"twice", numbers({1, 2, 2, 2, 3}), {4, 4, 6}},
                                         {"mixed", numbers({1, 1, 4, 2, 3}), {3, 5, 4}},
                                         {"scale", numbers({1, 1, 2, 3, 2}), {3, 4, 5}, {1.5, 1.5, 2.5}},
                                         {"transposed", numbers({2, 1, 2, 3, 2}, Layout::Transposed), {3, 2, 4}},
                                         {"no_images", numbers({0, 1, 2, 3, 2}), {3, 2, 4}}}) {
    add(all,
        {"upsample_nearest3d",
         Filter::Nearest,
         {},
         [](const Tensor& x, const Case& k) {
           return upsample_nearest3d(x, k.output, scale(k, 0), scale(k, 1), scale(k, 2));
         },
         [](const Tensor& x, const Case& k) {
           return upsample_nearest3d_backward(x, k.output, k.x.sizes, scale(k, 0), scale(k, 1), scale(k, 2));
         }},
        c);
    for (const bool align : {false, true}) {
      add(all,
          {"upsample_trilinear3d", Filter::Linear, align,
           [align](const Tensor& x, const Case& k) {
             return upsample_trilinear3d(x, k.output, align, scale(k, 0), scale(k, 1), scale(k, 2));
           },
           [align](const Tensor& x, const Case& k) {
             return upsample_trilinear3d_backward(x, k.output, k.x.sizes, align, scale(k, 0), scale(k, 1), scale(k, 2));
           }},
          c);
    }
  }
}

}  // namespace

Samples resampling_samples() {
  Samples all;
  add_lines(all);
  add_images(all);
  add_volumes(all);
  return all;
}

}  // namespace backflow::test
