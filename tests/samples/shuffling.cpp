#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

/// Element `at` of the larger image is this one of the image with more channels.
Index pixel_source(const Index& at, std::int64_t r) {
  const std::size_t d = at.size() - 3;
  Index from = at;
  from[d] = at[d] * r * r + at[d + 1] % r * r + at[d + 2] % r;
  from[d + 1] = at[d + 1] / r;
  from[d + 2] = at[d + 2] / r;
  return from;
}

void add_pixels(Samples& all) {
  struct Case {
    const char* label;
    Index small;  // with more channels
    std::int64_t factor;
    Layout layout = Layout::Contiguous;
  };
  for (const Case& c : std::vector<Case>{{"two", {2, 8, 3, 5}, 2},
                                         {"two_wide", {1, 4, 2, 37}, 2},
                                         {"three", {2, 9, 2, 17}, 3},
                                         {"four", {1, 16, 2, 19}, 4},
                                         {"one", {2, 3, 4, 5}, 1},
                                         {"image", {12, 1, 1}, 2},
                                         {"batches", {2, 1, 3, 4, 2, 3}, 2},
                                         {"transposed", {2, 4, 3, 5}, 2, Layout::Transposed},
                                         {"strided", {2, 4, 3, 5}, 2, Layout::Strided},
                                         {"expanded", {2, 4, 3, 5}, 2, Layout::Expanded},
                                         {"empty", {0, 4, 3, 5}, 2}}) {
    const std::int64_t r = c.factor;
    Index large = c.small;
    large[large.size() - 3] /= r * r;
    large[large.size() - 2] *= r;
    large[large.size() - 1] *= r;
    all.push_back({.op = "pixel_shuffle",
                   .label = c.label,
                   .operands = {numbers(c.small, c.layout)},
                   .call = [r](const Tensors& x) { return pixel_shuffle(x[0], r); },
                   .reference =
                       [=](const Arrays& x) {
                         Array y = array_of(large);
                         for_each_index(large, [&](const Index& at) { y.at(at) = x[0].at(pixel_source(at, r)); });
                         return y;
                       },
                   .torch = "torch.pixel_shuffle(x[0], " + std::to_string(r) + ")"});
    all.push_back({.op = "pixel_unshuffle",
                   .label = c.label,
                   .operands = {numbers(large, c.layout)},
                   .call = [r](const Tensors& x) { return pixel_unshuffle(x[0], r); },
                   .reference =
                       [=, small = c.small](const Arrays& x) {
                         Array y = array_of(small);
                         for_each_index(large, [&](const Index& at) { y.at(pixel_source(at, r)) = x[0].at(at); });
                         return y;
                       },
                   .torch = "torch.pixel_unshuffle(x[0], " + std::to_string(r) + ")"});
  }
}

void add_channels(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    std::int64_t groups;
  };
  for (const Case& c : std::vector<Case>{{"two", numbers({2, 6, 3, 5}), 2},
                                         {"three", numbers({1, 24, 2, 2}), 3},
                                         {"one", numbers({2, 5, 3}), 1},
                                         {"each", numbers({2, 5, 3}), 5},
                                         {"volume", numbers({1, 4, 2, 3, 2}), 2},
                                         {"transposed", numbers({2, 6, 3, 5}, Layout::Transposed), 3},
                                         {"strided", numbers({2, 6, 3, 5}, Layout::Strided), 3},
                                         {"empty", numbers({0, 6, 3, 5}), 3}}) {
    Index grouped = c.x.sizes;  // PyTorch's own operator has no gradient
    grouped[1] /= c.groups;
    grouped.insert(grouped.begin() + 1, c.groups);
    all.push_back(
        {.op = "channel_shuffle",
         .label = c.label,
         .operands = {c.x},
         .call = [g = c.groups](const Tensors& x) { return channel_shuffle(x[0], g); },
         .reference =
             [g = c.groups](const Arrays& x) {
               Array y = array_of(x[0].sizes);
               for_each_index(y.sizes, [&](const Index& at) {
                 Index from = at;
                 from[1] = at[1] % g * (y.sizes[1] / g) + at[1] / g;
                 y.at(at) = x[0].at(from);
               });
               return y;
             },
         .torch = "x[0].reshape(" + python(grouped) + ").transpose(1, 2).reshape(" + python(c.x.sizes) + ")"});
  }
}

}  // namespace

Samples shuffling_samples() {
  Samples all;
  add_pixels(all);
  add_channels(all);
  return all;
}

}  // namespace backflow::test
