// The bits of operators on shapes of real networks do not depend on how their loops are cut. oneDNN chooses its kernels
// by shape: a small sample says nothing about a product of 1,024 columns.
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/philox.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/ops/cuts/cases.h>
#include <backflow/tests/support/cuts.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/operands.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Call = std::function<Tensor(const Tensors&)>;
using Dtypes = std::vector<ScalarType>;

const Dtypes kAllFloating = {kFloat32, kFloat64, kBFloat16};
const Dtypes kSingle = {kFloat32};

/// Compares the bits of a call and its gradients for operands of these sizes; of images in blocks too.
void check_cuts(const std::string& name, const std::vector<Operand>& operands, const Call& call,
                const Dtypes& dtypes = kAllFloating) {
  const Threads threads(3);
  const Sample sample{.op = name, .label = "networks", .operands = operands, .call = call, .reference = {}};
  for (const std::int64_t block : {1, 16}) {
    if (block == 1 || operands[0].sizes.size() >= 4) {
      const CutCase c{sample, block, Derivatives::First};
      for (const ScalarType dtype : dtypes) {
        INFO(c.title() << " of " << dtype);
        const Tensors own = operands_of(c, dtype);
        const CutComparison found = compare_cuts([&] { return results_of(c, own); });
        CHECK_THAT(found.difference, Equals(""));
      }
    }
  }
}

/// The same of a call without operands.
void check_cuts(const std::string& name, const std::function<Tensor(ScalarType)>& call,
                const Dtypes& dtypes = kAllFloating) {
  const Threads threads(3);
  for (const ScalarType dtype : dtypes) {
    INFO(name << " of " << dtype);
    const CutComparison found = compare_cuts([&] {
      const DefaultGeneratorGuard guard({11, 0});
      return Tensors{call(dtype)};
    });
    CHECK_THAT(found.difference, Equals(""));
  }
}

struct Convolution {
  std::vector<std::int64_t> x;
  std::int64_t filters;
  std::int64_t kernel;
  std::int64_t stride = 1;
  std::int64_t padding = 1;
  std::int64_t groups = 1;
  std::int64_t dilation = 1;
  Dtypes dtypes = {kFloat32, kBFloat16};
};

void check_cuts(const Convolution& c) {
  const Operand w = numbers({c.filters, c.x[1] / c.groups, c.kernel, c.kernel});
  check_cuts(
      to_text("conv2d, stride ", c.stride, ", padding ", c.padding, ", groups ", c.groups, ", dilation ", c.dilation),
      {numbers(c.x), w, numbers({c.filters})},
      [c](const Tensors& x) { return conv2d(x[0], x[1], x[2], c.stride, c.padding, c.dilation, c.groups); }, c.dtypes);
}

}  // namespace

TEST_CASE("cuts: products of networks") {
  const Call multiply = [](const Tensors& x) { return linear(x[0], x[1], x[2]); };
  check_cuts("linear", {numbers({128, 784}), numbers({1024, 784}), numbers({1024})}, multiply, kSingle);
  check_cuts("linear", {numbers({128, 1024}), numbers({1024, 1024}), numbers({1024})}, multiply, kSingle);
  check_cuts("linear", {numbers({32, 256}), numbers({256, 256}), numbers({256})}, multiply);
  check_cuts("linear", {numbers({128, 1024}), numbers({10, 1024}), numbers({10})}, multiply);
  check_cuts("linear", {numbers({64, 3136}), numbers({128, 3136}), numbers({128})}, multiply, kSingle);
  check_cuts("linear", {numbers({1, 784}), numbers({1024, 784}), numbers({1024})}, multiply);
  check_cuts("linear", {numbers({2, 512}), numbers({640, 512}), numbers({640})}, multiply);
  check_cuts("linear", {numbers({8, 33, 96}), numbers({192, 96}), numbers({192})}, multiply);
  check_cuts("linear", {numbers({7, 129}), numbers({1031, 129}), numbers({1031})}, multiply);
}

TEST_CASE("cuts: products of matrices") {
  const Call multiply = [](const Tensors& x) { return matmul(x[0], x[1]); };
  for (const Layout first : {Layout::Contiguous, Layout::Transposed}) {
    for (const Layout second : {Layout::Contiguous, Layout::Transposed}) {
      check_cuts("matmul", {numbers({97, 203}, first), numbers({203, 151}, second)}, multiply);
      check_cuts("matmul", {numbers({256, 256}, first), numbers({256, 256}, second)}, multiply, kSingle);
      check_cuts("matmul", {numbers({17, 2051}, first), numbers({2051, 19}, second)}, multiply, kSingle);
      check_cuts("matmul", {numbers({515, 7}, first), numbers({7, 513}, second)}, multiply, kSingle);
    }
  }
  check_cuts("matmul", {numbers({12, 33, 65}), numbers({12, 65, 70})}, multiply);
  check_cuts("matmul", {numbers({4, 3, 33, 65}), numbers({65, 70})}, multiply);
  check_cuts("matmul", {numbers({701, 515}), numbers({515})}, multiply);
  check_cuts("matmul", {numbers({150'001}), numbers({150'001})}, multiply);
}

TEST_CASE("cuts: convolutions of networks") {
  for (const Convolution& c :
       std::vector<Convolution>{{.x = {4, 3, 32, 32}, .filters = 64, .kernel = 3},
                                {.x = {4, 64, 16, 16}, .filters = 64, .kernel = 3},
                                {.x = {1, 64, 32, 32}, .filters = 64, .kernel = 3, .dtypes = kSingle},
                                {.x = {4, 64, 16, 16}, .filters = 128, .kernel = 3, .stride = 2},
                                {.x = {4, 64, 16, 16}, .filters = 128, .kernel = 1, .stride = 2, .padding = 0},
                                {.x = {2, 256, 8, 8}, .filters = 256, .kernel = 3, .dtypes = kSingle},
                                {.x = {2, 512, 4, 4}, .filters = 512, .kernel = 3, .dtypes = kSingle},
                                {.x = {32, 512, 4, 4}, .filters = 64, .kernel = 3, .dtypes = kSingle},
                                {.x = {16, 1, 28, 28}, .filters = 32, .kernel = 3, .padding = 0},
                                {.x = {8, 32, 13, 13}, .filters = 64, .kernel = 3, .padding = 0},
                                {.x = {4, 64, 16, 16}, .filters = 32, .kernel = 1, .padding = 0},
                                {.x = {4, 16, 16, 16}, .filters = 32, .kernel = 5, .padding = 2},
                                {.x = {3, 24, 9, 11}, .filters = 16, .kernel = 3}}) {
    check_cuts(c);
  }
}

TEST_CASE("cuts: convolutions of other shapes") {
  for (const Convolution& c : std::vector<Convolution>{
           {.x = {3, 5, 17, 19}, .filters = 7, .kernel = 3, .dtypes = kAllFloating},
           {.x = {1, 40, 9, 11}, .filters = 24, .kernel = 3, .dtypes = kAllFloating},
           {.x = {2, 32, 15, 15}, .filters = 32, .kernel = 3, .groups = 32, .dtypes = kAllFloating},
           {.x = {2, 32, 15, 15}, .filters = 64, .kernel = 3, .groups = 4, .dtypes = kAllFloating},
           {.x = {2, 16, 21, 21}, .filters = 16, .kernel = 3, .padding = 2, .dilation = 2},
           {.x = {130, 8, 6, 6}, .filters = 16, .kernel = 3}}) {
    check_cuts(c);
  }
  check_cuts("conv1d", {numbers({5, 24, 101}), numbers({40, 24, 5}), numbers({40})},
             [](const Tensors& x) { return conv1d(x[0], x[1], x[2], 1, 2); });
  check_cuts("conv3d", {numbers({2, 6, 7, 8, 9}), numbers({16, 6, 3, 3, 3}), numbers({16})},
             [](const Tensors& x) { return conv3d(x[0], x[1], x[2], 1, 1); });
  check_cuts("conv_transpose2d", {numbers({4, 48, 8, 8}), numbers({48, 32, 3, 3}), numbers({32})},
             [](const Tensors& x) { return conv_transpose2d(x[0], x[1], x[2], 2, 1, 1); });
}

TEST_CASE("cuts: products of random sizes") {
  PhiloxStream random(1);
  for (int i = 0; i < 80; ++i) {
    const auto size = [&] { return static_cast<std::int64_t>(1 + random.below(random.below(2) == 0 ? 40 : 400)); };
    const auto layout = [&] { return random.below(2) == 0 ? Layout::Contiguous : Layout::Transposed; };
    const std::int64_t m = size();
    const std::int64_t k = size();
    const std::int64_t n = size();
    check_cuts("matmul", {numbers({m, k}, layout()), numbers({k, n}, layout())},
               [](const Tensors& x) { return matmul(x[0], x[1]); });
  }
}

TEST_CASE("cuts: convolutions of random shapes") {
  PhiloxStream random(2);
  const auto from = [&](std::initializer_list<std::int64_t> choices) {
    return choices.begin()[random.below(choices.size())];
  };
  for (int i = 0; i < 60; ++i) {
    const std::int64_t groups = from({1, 1, 1, 2, 8});
    const std::int64_t kernel = from({1, 2, 3, 5});
    check_cuts(
        Convolution{.x = {from({1, 2, 5, 17}), groups * from({1, 3, 8, 16, 40}), from({6, 9, 14}), from({5, 8, 16})},
                    .filters = groups * from({1, 4, 16, 24}),
                    .kernel = kernel,
                    .stride = from({1, 1, 2, 3}),
                    .padding = from({0, 1, 2}),
                    .groups = groups,
                    .dilation = kernel > 3 ? 1 : from({1, 1, 2}),
                    .dtypes = i % 4 == 0 ? kAllFloating : kSingle});
  }
}

TEST_CASE("cuts: pooling") {
  const std::vector<Operand> image = {numbers({5, 40, 18, 22})};
  check_cuts("max_pool2d, 2x2", image, [](const Tensors& x) { return max_pool2d(x[0], 2); });
  check_cuts("max_pool2d, 3x3", image, [](const Tensors& x) { return max_pool2d(x[0], 3, 1, 1); });
  check_cuts("avg_pool2d, 3x3", image, [](const Tensors& x) { return avg_pool2d(x[0], 3, 2, 1); });
  check_cuts("adaptive_avg_pool2d, 1x1", image, [](const Tensors& x) { return adaptive_avg_pool2d(x[0], {1, 1}); });
  check_cuts("adaptive_avg_pool2d, 5x4", image, [](const Tensors& x) { return adaptive_avg_pool2d(x[0], {5, 4}); });
}

TEST_CASE("cuts: normalizations") {
  const std::vector<Operand> image = {numbers({6, 40, 18, 22}), numbers({40}), numbers({40})};
  check_cuts("batch_norm", image,
             [](const Tensors& x) { return batch_norm(x[0], x[1], x[2], {}, {}, true, 0.1, 1e-5, true); });
  check_cuts("batch_norm_relu", image,
             [](const Tensors& x) { return batch_norm_relu(x[0], x[1], x[2], {}, {}, {}, true, 0.1, 1e-5); });
  check_cuts("batch_norm_relu of a sum", {image[0], image[1], image[2], image[0]},
             [](const Tensors& x) { return batch_norm_relu(x[0], x[1], x[2], {}, {}, x[3], true, 0.1, 1e-5); });
  check_cuts("batch_norm", {numbers({2051, 37}), numbers({37}), numbers({37})},
             [](const Tensors& x) { return batch_norm(x[0], x[1], x[2], {}, {}, true, 0.1, 1e-5, true); });
  check_cuts("group_norm", image, [](const Tensors& x) { return group_norm(x[0], 8, x[1], x[2]); });
  check_cuts("layer_norm", {numbers({700, 96}), numbers({96}), numbers({96})},
             [](const Tensors& x) { return layer_norm(x[0], {96}, x[1], x[2]); });
  check_cuts("layer_norm", {numbers({5, 20'011}), numbers({20'011}), numbers({20'011})},
             [](const Tensors& x) { return layer_norm(x[0], {20'011}, x[1], x[2]); });
}

TEST_CASE("cuts: reductions of many elements") {
  for (const auto& sizes : std::vector<std::vector<std::int64_t>>{{150'001}, {3, 70'001}, {20'011, 7}, {1031, 151}}) {
    const std::vector<Operand> x = {numbers(sizes)};
    check_cuts("sum", x, [](const Tensors& t) { return sum(t[0]); });
    check_cuts("sum of rows", x, [](const Tensors& t) { return sum(t[0], {0}); });
    check_cuts("sum of columns", x, [](const Tensors& t) { return sum(t[0], {-1}); });
    check_cuts("mean", x, [](const Tensors& t) { return mean(t[0]); });
    check_cuts("std", x, [](const Tensors& t) { return backflow::std(t[0], false); });
    check_cuts("norm", x, [](const Tensors& t) { return norm(t[0]); });
    check_cuts("max", x, [](const Tensors& t) { return max(t[0]); });
    check_cuts("prod", x, [](const Tensors& t) { return prod(t[0] / 2 + 1); });
    check_cuts("logsumexp", x, [](const Tensors& t) { return logsumexp(t[0], {-1}); });
    check_cuts("softmax", x, [](const Tensors& t) { return softmax(t[0], -1); });
    check_cuts("softmax of rows", x, [](const Tensors& t) { return softmax(t[0], 0); });
    check_cuts("cumsum", x, [](const Tensors& t) { return cumsum(t[0], -1); });
    check_cuts("cumsum of rows", x, [](const Tensors& t) { return cumsum(t[0], 0); });
    check_cuts("sort", x, [](const Tensors& t) { return std::get<0>(sort(t[0])); });
    check_cuts("argmax", x, [](const Tensors& t) { return argmax(t[0].detach(), -1); });
  }
}

TEST_CASE("cuts: losses of many rows") {
  const std::vector<Operand> scores = {numbers({4099, 10}), indices({4099}, 10)};
  check_cuts("cross_entropy_loss", scores, [](const Tensors& x) { return cross_entropy_loss(x[0], x[1]); });
  check_cuts("cross_entropy_loss", {numbers({64, 1000}), indices({64}, 1000)},
             [](const Tensors& x) { return cross_entropy_loss(x[0], x[1], {}, 1, -100, 0.1); });
  const std::vector<Operand> pair = {numbers({1031, 67}), numbers({1031, 67})};
  check_cuts("mse_loss", pair, [](const Tensors& x) { return mse_loss(x[0], x[1]); });
  check_cuts("smooth_l1_loss", pair, [](const Tensors& x) { return smooth_l1_loss(x[0], x[1]); });
}

TEST_CASE("cuts: elements that are moved") {
  const std::vector<Operand> image = {numbers({5, 40, 18, 22})};
  check_cuts("permute", image, [](const Tensors& x) { return x[0].permute({3, 1, 0, 2}).contiguous() * 1; });
  check_cuts("cat", {image[0], numbers({5, 7, 18, 22})}, [](const Tensors& x) { return cat({x[0], x[1]}, 1); });
  check_cuts("to", image,
             [](const Tensors& x) { return x[0].to(x[0].scalar_type() == kFloat32 ? kFloat64 : kFloat32); });
  check_cuts("dropout", image, [](const Tensors& x) {
    const DefaultGeneratorGuard guard({11, 0});
    return dropout(x[0], 0.3, true);
  });
  const std::vector<Operand> words = {numbers({601, 96}), indices({40, 33}, 601)};
  check_cuts("embedding", words, [](const Tensors& x) { return embedding(x[0], x[1]); });
  check_cuts("index_select", {words[0], indices({1200}, 601)},
             [](const Tensors& x) { return index_select(x[0], 0, x[1]); });
  check_cuts("gather", {words[0], indices({601, 50}, 96)}, [](const Tensors& x) { return gather(x[0], 1, x[1]); });
  check_cuts("scatter_add", {words[0], indices({601, 96}, 601), words[0]},
             [](const Tensors& x) { return scatter_add(x[0], 0, x[1], x[2]); });
}

TEST_CASE("cuts: elements of several operands") {
  const Operand image = numbers({5, 40, 18, 22});
  check_cuts("add of channels", {image, numbers({40, 1, 1})}, [](const Tensors& x) { return x[0] + x[1]; });
  check_cuts("mul of rows", {numbers({701, 515}), numbers({515})}, [](const Tensors& x) { return x[0] * x[1]; });
  check_cuts("div of columns", {numbers({701, 515}), numbers({701, 1})}, [](const Tensors& x) { return x[0] / x[1]; });
  check_cuts("mul of both", {numbers({701, 1}), numbers({1, 515})}, [](const Tensors& x) { return x[0] * x[1]; });
  check_cuts("tanh, transposed", {numbers({701, 515}, Layout::Transposed)},
             [](const Tensors& x) { return tanh(x[0]); });
  check_cuts("gelu, strided", {numbers({301, 515}, Layout::Strided)}, [](const Tensors& x) { return gelu(x[0]); });
}

TEST_CASE("cuts: tensors that are made") {
  check_cuts("randn", [](ScalarType dtype) { return randn({70'001}, dtype); });
  check_cuts("rand", [](ScalarType dtype) { return rand({70'001}, dtype); });
  check_cuts("bernoulli", [](ScalarType dtype) { return bernoulli(full({70'001}, 0.3, dtype)); });
  check_cuts("randint", [](ScalarType dtype) { return randint(0, 1000, {70'001}, dtype); }, {kInt64, kInt32, kFloat32});
}
