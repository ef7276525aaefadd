#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/tests/catch2.h>

namespace nn = backflow::nn;
using backflow::DimVector;
using backflow::Error;
using backflow::Tensor;
using Strings = std::vector<std::string>;

namespace {

struct NetImpl : nn::Module {
  NetImpl() : fc1(register_module("fc1", nn::Linear(6, 4))) {
    tail = register_module("tail", nn::Sequential(nn::ReLU(), nn::Linear(nn::LinearOptions(4, 3).bias(false))));
    scale = register_parameter("scale", backflow::ones({3}));
    steps = register_buffer("steps", backflow::zeros({1}));
  }
  Tensor forward(Tensor x) { return tail(fc1(x)) * scale; }

  nn::Linear fc1{nullptr};
  nn::Sequential tail{nullptr};
  Tensor scale;
  Tensor steps;
};
BACKFLOW_MODULE(Net);

struct TiedImpl : nn::Module {
  TiedImpl() {
    register_module("a", layer);
    register_module("b", layer);
  }
  nn::Linear layer{2, 2};
};

std::string text_of(const nn::Module& module) {
  std::ostringstream out;
  out << module;
  return out.str();
}

}  // namespace

TEST_CASE("module: parameters and buffers are named by their path", "[nn]") {
  const Net net;
  CHECK(net->named_parameters().keys() == Strings{"scale", "fc1.weight", "fc1.bias", "tail.1.weight"});
  CHECK(net->named_parameters(false).keys() == Strings{"scale"});
  CHECK(net->named_buffers().keys() == Strings{"steps"});
  CHECK(net->state_dict().keys() == Strings{"scale", "steps", "fc1.weight", "fc1.bias", "tail.1.weight"});
  CHECK(net->named_modules().keys() == Strings{"", "fc1", "tail", "tail.0", "tail.1"});
  CHECK(net->named_modules("net").keys() == Strings{"net", "net.fc1", "net.tail", "net.tail.0", "net.tail.1"});
  CHECK(net->named_children().keys() == Strings{"fc1", "tail"});
  CHECK(net->children().size() == 2);
  CHECK(net->modules(false).size() == 4);
  CHECK(net->parameters().size() == 4);
  CHECK(net->parameters()[1].is_same(net->fc1->weight));
  CHECK(net->fc1->weight.requires_grad());
  CHECK_FALSE(net->steps.requires_grad());
  CHECK(DimVector(net->named_parameters()["tail.1.weight"].sizes()) == DimVector{3, 4});
}

TEST_CASE("module: a layer in two places is listed once, and twice in the state_dict", "[nn]") {
  const auto tied = std::make_shared<TiedImpl>();
  CHECK(tied->named_parameters().keys() == Strings{"a.weight", "a.bias"});
  CHECK(tied->state_dict().keys() == Strings{"a.weight", "a.bias", "b.weight", "b.bias"});
  CHECK(tied->modules().size() == 2);
}

TEST_CASE("module: bad names are errors", "[nn]") {
  nn::LinearImpl module(2, 2);
  CHECK_THROWS_WITH(module.register_parameter("a.b", Tensor()),
                    Equals("Linear: parameter 'a.b': need a name without dots, which separate the modules of a path"));
  CHECK_THROWS_WITH(module.register_buffer("weight", Tensor()),
                    Equals("Linear: buffer 'weight': the name is taken; need another"));
  CHECK_THROWS_WITH(module.register_module("bias", nn::ReLU()),
                    Equals("Linear: module 'bias': the name is taken; need another"));
  CHECK_THROWS_WITH(module.register_buffer("", Tensor()), Equals("Linear: a buffer without a name: need one"));
  CHECK_THROWS_WITH(module.register_module("child", nn::Linear(nullptr)),
                    Equals("Linear: module 'child' is empty: need a module"));
  CHECK_THROWS_WITH(module.register_parameter("p", module.weight * 2.0), ContainsSubstring("need a leaf"));
  CHECK_THROWS_AS(nn::Linear(nullptr)->weight, Error);
}

TEST_CASE("module: train, eval, apply and zero_grad reach the whole tree", "[nn]") {
  Net net;
  CHECK(net->is_training());
  net->eval();
  for (const auto& module : net->modules()) {
    CHECK_FALSE(module->is_training());
  }
  net->train();
  CHECK(net->tail[1]->is_training());

  int count = 0;
  net->apply([&](nn::Module&) { ++count; });
  CHECK(count == 5);

  net(backflow::rand({2, 6})).sum().backward();
  CHECK(net->fc1->weight.grad().defined());
  net->zero_grad(false);
  CHECK(net->fc1->weight.grad().sum().item<float>() == 0);
  net->zero_grad();
  CHECK_FALSE(net->fc1->weight.grad().defined());
}

TEST_CASE("module: to() converts parameters and buffers in place", "[nn]") {
  Net net;
  const Tensor weight = net->fc1->weight;
  const float before = weight[0][0].item<float>();
  net(backflow::rand({2, 6})).sum().backward();
  net->to(backflow::kFloat64);
  CHECK(weight.scalar_type() == backflow::kFloat64);
  CHECK(weight.grad().scalar_type() == backflow::kFloat64);
  CHECK(weight.is_leaf());
  CHECK(weight.requires_grad());
  CHECK(weight.is_same(net->parameters()[1]));
  CHECK(weight[0][0].item<double>() == static_cast<double>(before));
  CHECK(net->steps.scalar_type() == backflow::kFloat64);
  net->zero_grad();
  net(backflow::rand({2, 6}, backflow::kFloat64)).sum().backward();
  CHECK(weight.grad().scalar_type() == backflow::kFloat64);
  CHECK_THROWS_WITH(net->to(backflow::kInt64), ContainsSubstring("need a floating-point one"));

  weight.impl().meta().grad_buffer = backflow::zeros({4, 6}, backflow::kFloat64);
  CHECK_THROWS_WITH(net->to(backflow::kFloat32), ContainsSubstring("has its gradient in a bucket"));
}

TEST_CASE("module: printing is PyTorch's", "[nn]") {
  nn::Sequential inner{nn::Tanh(), nn::Flatten()};
  nn::Sequential model(nn::Linear(784, 10), nn::ReLU(), inner);
  CHECK(text_of(*model) ==
        "Sequential(\n"
        "  (0): Linear(in_features=784, out_features=10, bias=True)\n"
        "  (1): ReLU()\n"
        "  (2): Sequential(\n"
        "    (0): Tanh()\n"
        "    (1): Flatten(start_dim=1, end_dim=-1)\n"
        "  )\n"
        ")");
  CHECK(text_of(*Net()).starts_with("Net("));
}

namespace test {
struct AGIUnit : nn::Module {};
struct Named : nn::Module {
  Named() : nn::Module("Foo") {}
};
template <class T>
struct Generic : nn::Module {};
}  // namespace test
struct Global : nn::Module {};

TEST_CASE("module: its name is that of its class in full, or what it was given", "[nn]") {
  CHECK(test::AGIUnit().name() == "test::AGIUnit");
  CHECK(test::AGIUnit().class_name() == "AGIUnit");
  CHECK(test::Named().name() == "Foo");
  CHECK(test::Named().class_name() == "Foo");
  CHECK(test::Generic<int>().name() == "test::Generic<int>");
  CHECK(Global().name() == "Global");
  CHECK(nn::Linear(1, 1)->name() == "backflow::nn::LinearImpl");
  CHECK(nn::Linear(1, 1)->class_name() == "Linear");
  CHECK(nn::Sequential()->name() == "backflow::nn::SequentialImpl");
  CHECK(nn::Module("encoder").name() == "encoder");
  const std::shared_ptr<nn::Module> base = std::make_shared<test::AGIUnit>();
  CHECK(base->name() == "test::AGIUnit");
  CHECK(text_of(*base) == "AGIUnit()");
}

TEST_CASE("sequential: children are numbered, or named", "[nn]") {
  nn::Sequential numbered(nn::Linear(3, 4), nn::ReLU(), nn::Linear(4, 2));
  CHECK(numbered->named_parameters().keys() == Strings{"0.weight", "0.bias", "2.weight", "2.bias"});
  nn::Sequential named({{"fc", nn::Linear(3, 4)}, {"act", nn::Sigmoid()}});
  CHECK(named->named_parameters().keys() == Strings{"fc.weight", "fc.bias"});
  CHECK(named->size() == 2);

  nn::Sequential grown;
  grown->push_back(numbered);
  grown->push_back(nn::Functional(backflow::relu));
  grown->push_back(nn::LinearImpl(2, 1));
  CHECK(grown->named_parameters().keys() ==
        Strings{"0.0.weight", "0.0.bias", "0.2.weight", "0.2.bias", "2.weight", "2.bias"});
  CHECK(DimVector(grown(backflow::rand({5, 3})).sizes()) == DimVector{5, 1});
  CHECK_THROWS_WITH(grown->ptr(3), ContainsSubstring("module 3 of 3"));
  CHECK_THROWS_AS(named->push_back("fc", nn::ReLU()), Error);
}

TEST_CASE("module: output shapes are those of forward", "[nn]") {
  nn::Sequential model(nn::Flatten(), nn::Linear(12, 4), nn::ReLU(), nn::Linear(4, 2));
  const Tensor y = model(backflow::rand({5, 3, 4}));
  CHECK(model->output_shape({5, 3, 4}) == DimVector(y.sizes()));
  CHECK(nn::FlattenImpl(nn::FlattenOptions().start_dim(0).end_dim(1)).output_shape({2, 3, 4}) == DimVector{6, 4});
  CHECK_THROWS_WITH(model->output_shape({5, 13}),
                    Equals("linear: input size 13 of shape [5, 13]: need 12; in layer 1"));
  nn::Sequential outer(model, nn::Linear(3, 1));
  CHECK_THROWS_WITH(outer->output_shape({5, 13}),
                    Equals("linear: input size 13 of shape [5, 13]: need 12; in layer 0.1"));
  CHECK_THROWS_WITH(outer->output_shape({5, 12}), Equals("linear: input size 2 of shape [5, 2]: need 3; in layer 1"));
  CHECK_THROWS_WITH(Net()->output_shape({1}), ContainsSubstring("need an override of output_shape"));
}

TEST_CASE("mlp: names, shapes and flattening", "[nn]") {
  nn::MLP mlp(12, 8, 8, 3);
  CHECK(mlp->named_parameters().keys() == Strings{"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"});
  const Tensor x = backflow::rand({2, 3, 4});
  CHECK(DimVector(mlp(x).sizes()) == DimVector{2, 3});
  CHECK(mlp->output_shape({2, 3, 4}) == DimVector{2, 3});
  CHECK(nn::MLP(std::vector<std::int64_t>{4, 2})->size() == 1);
  CHECK_THROWS_WITH(nn::MLP(3), Equals("mlp: sizes [3]: need at least an input and an output"));
  CHECK_THROWS_WITH(mlp->output_shape({2, 3, 5}), ContainsSubstring("linear: input size 15"));
  CHECK_THROWS_WITH(mlp(backflow::rand(12)), Equals("mlp: input f32[12]: need [batch, ...]"));
}
