#include <algorithm>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

namespace nn = backflow::nn;
using backflow::DimVector;
using backflow::Error;
using backflow::Tensor;
using Strings = std::vector<std::string>;

namespace {

std::int64_t count(const nn::Module& model) {
  std::int64_t all = 0;
  for (const Tensor& p : model.parameters()) {
    all += p.numel();
  }
  return all;
}

/// That forward gives the shape that output_shape says, and every parameter a gradient.
template <class Model>
void check_shapes(const Model& model, const DimVector& input, const DimVector& output) {
  CHECK(model->output_shape(input) == output);
  const Tensor y = model(backflow::randn(input));
  CHECK(DimVector(y.sizes()) == output);
  y.sum().backward();
  for (const auto& parameter : model->named_parameters()) {
    INFO(parameter.key());
    CHECK(parameter.value().grad().defined());
  }
}

}  // namespace

TEST_CASE("models: LeNet", "[nn]") {
  const nn::LeNet model;
  CHECK(model->named_parameters().keys() ==
        Strings{"c1.weight", "c1.bias", "c2.weight", "c2.bias", "f1.weight", "f1.bias", "f2.weight", "f2.bias"});
  CHECK(count(*model) == 421642);
  check_shapes(model, {2, 1, 28, 28}, {2, 10});
  check_shapes(nn::LeNet(3), {1, 1, 28, 28}, {1, 3});
  CHECK_THROWS_AS(model->output_shape({2, 1, 32, 32}), Error);
  CHECK_THROWS_AS(model->output_shape({2, 3, 28, 28}), Error);
  CHECK_THROWS_AS(model(backflow::randn({2, 1, 32, 32})), Error);
}

TEST_CASE("models: an inception block has its branches' channels one after the other", "[nn]") {
  const nn::InceptionBlock block(5);
  CHECK(block->named_parameters().keys() == Strings{"b1.weight", "b1.bias", "b2a.weight", "b2a.bias", "b2b.weight",
                                                    "b2b.bias", "b3a.weight", "b3a.bias", "b3b.weight", "b3b.bias",
                                                    "b4.weight", "b4.bias"});
  check_shapes(block, {2, 5, 7, 9}, {2, 128, 7, 9});
  const Tensor x = backflow::randn({1, 5, 4, 4});
  const Tensor y = block(x);
  const auto parameter = [&](const char* name) { return block->named_parameters()[name]; };
  namespace F = backflow::nn::functional;
  const Tensor first = F::relu(F::conv2d(x, parameter("b1.weight"), F::Conv2dFuncOptions().bias(parameter("b1.bias"))));
  CHECK(backflow::equal(y.narrow(1, 0, 32), first));
  const Tensor pooled = F::max_pool2d(x, F::MaxPool2dFuncOptions(3).stride(1).padding(1));
  const Tensor last =
      F::relu(F::conv2d(pooled, parameter("b4.weight"), F::Conv2dFuncOptions().bias(parameter("b4.bias"))));
  CHECK(backflow::equal(y.narrow(1, 112, 16), last));
  CHECK_THROWS_AS(block->output_shape({5, 7, 9}), Error);
  CHECK_THROWS_AS(block->output_shape({1, 6, 7, 9}), Error);
}

TEST_CASE("models: the network of inception blocks", "[nn]") {
  const nn::InceptionNet model;
  const Strings names = model->named_parameters().keys();
  CHECK(names.size() == 52);
  CHECK(names.front() == "0.weight");
  CHECK(names[2] == "2.b1.weight");
  CHECK(names.back() == "9.bias");
  CHECK(count(*model) == 153290);
  check_shapes(nn::InceptionNet(7), {2, 3, 8, 6}, {2, 7});
}

TEST_CASE("models: ResNet-18", "[nn]") {
  const nn::ResNet18 paper;
  CHECK(count(*paper) == 11173962);
  CHECK(paper->output_shape({32, 3, 32, 32}) == DimVector{32, 10});
  CHECK_THROWS_AS(paper->output_shape({32, 1, 32, 32}), Error);

  const nn::ResNet18 model(5, 4);
  const Strings names = model->named_parameters().keys();
  CHECK(names.size() == 62);
  CHECK(Strings(names.begin(), names.begin() + 5) ==
        Strings{"0.weight", "1.weight", "1.bias", "3.c1.weight", "3.b1.weight"});
  CHECK(names.back() == "13.bias");
  check_shapes(model, {2, 3, 16, 16}, {2, 5});
  const Strings state = model->state_dict().keys();
  CHECK(state.size() == 122);
  CHECK(std::find(state.begin(), state.end(), "5.sc.1.num_batches_tracked") != state.end());
}

TEST_CASE("models: a block of ResNet is its layers one by one, bit by bit", "[nn]") {
  namespace F = backflow::nn::functional;
  const nn::BasicBlock block(4, 6, 2);
  const auto p = block->named_parameters();
  const auto norm = [&](const Tensor& x, const std::string& name) {
    return F::batch_norm(x, {}, {},
                         F::BatchNormFuncOptions().weight(p[name + ".weight"]).bias(p[name + ".bias"]).training(true));
  };
  const auto convolution = [&](const Tensor& x, const std::string& name, int stride, int padding) {
    return F::conv2d(x, p[name + ".weight"], F::Conv2dFuncOptions().stride(stride).padding(padding));
  };
  const Tensor x = backflow::randn({2, 4, 7, 8});
  const Tensor y = norm(convolution(F::relu(norm(convolution(x, "c1", 2, 1), "b1")), "c2", 1, 1), "b2");
  const Tensor expected = F::relu(y + norm(convolution(x, "sc.0", 2, 0), "sc.1"));
  CHECK(backflow::equal(block(x), expected));
}

TEST_CASE("models: a block of ResNet has a shortcut of its own where the shape changes", "[nn]") {
  CHECK(nn::BasicBlock(4, 4)->named_children().keys() == Strings{"c1", "b1", "c2", "b2"});
  const nn::BasicBlock block(4, 6, 2);
  CHECK(block->named_children().keys() == Strings{"c1", "b1", "c2", "b2", "sc"});
  check_shapes(block, {2, 4, 7, 8}, {2, 6, 4, 4});
}
