#include <string>

#include <backflow/tests/catch2.h>
#include <backflow/tests/serialize/support.h>

using namespace backflow;
using namespace backflow::test;

namespace {

Tensor output_of(MixedNet& net) {
  net->eval();
  const NoGradGuard no_grad;
  return net->forward(tensor({0, 3, 4}, kInt64));
}

}  // namespace

TEST_CASE("load: a module gets every parameter and buffer from every format", "[serialize]") {
  const TemporaryDirectory directory;
  MixedNet net;
  {
    net->train();
    const NoGradGuard no_grad;
    net->forward(tensor({0, 1, 2, 3}, kInt64));  // moves the running statistics
  }
  for (const std::string& name : files_of_every_format()) {
    INFO(name);
    MixedNet loaded;
    CHECK(contents_of(loaded->state_dict()) != contents_of(net->state_dict()));
    save(net, directory.file(name));
    load(loaded, directory.file(name));
    CHECK(contents_of(loaded->state_dict()) == contents_of(net->state_dict()));
    CHECK(equal(output_of(loaded), output_of(net)));
    CHECK(loaded->scale.requires_grad());
    CHECK(loaded->scale.is_leaf());
  }
}

TEST_CASE("load: a module that does not fit is left as it is, and all names are said", "[serialize]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("net.pt");
  const nn::Sequential small(nn::Linear(3, 4), nn::BatchNorm1d(4), nn::Linear(4, 2));
  save(small, path);
  nn::Sequential other(nn::Linear(3, 4), nn::BatchNorm1d(4), nn::Linear(4, 5), nn::Linear(5, 1));
  const std::string before = contents_of(other->state_dict());
  const std::string error = error_of([&] { load(other, path); });
  CHECK(error == path +
                     ": Sequential: 4 names do not fit: missing '3.weight', '3.bias'; mismatched '2.weight' "
                     "(f32[2, 4] given, need f32[5, 4]), '2.bias' (f32[2] given, need f32[5]): need the same names "
                     "and shapes");
  CHECK(contents_of(other->state_dict()) == before);
}

TEST_CASE("load: floating-point values become the module's dtype, others do not", "[serialize]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("net.safetensors");
  nn::Linear net(2, 2);
  nn::Linear half(2, 2);
  half->to(kBFloat16);
  save(half, path);
  load(net, path);
  CHECK(net->weight.scalar_type() == kFloat32);
  CHECK(equal(net->weight, half->weight.to(kFloat32)));

  save(OrderedDict<std::string, Tensor>{{"weight", ones({2, 2}, kInt64)}, {"bias", ones({2})}}, path);
  CHECK(error_of([&] { load(net, path); }).find("mismatched 'weight' (i64[2, 2] given, need f32[2, 2])") !=
        std::string::npos);
}

TEST_CASE("load: a checkpoint of several dictionaries is searched for the one that fits", "[serialize]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("checkpoint.pt");
  nn::Linear net(2, 3);
  optim::SGD optimizer(net->parameters(), optim::SGDOptions(0.25).momentum(0.9));
  net->forward(ones({1, 2})).sum().backward();
  optimizer.step();
  serialize::OutputArchive checkpoint;
  serialize::OutputArchive module;
  net->save(module);
  checkpoint.write("model_state_dict", module);
  serialize::OutputArchive state;
  optimizer.save(state);
  checkpoint.write("optimizer_state_dict", state);
  checkpoint.write("epoch", 3);
  checkpoint.save_to(path);

  nn::Linear loaded(2, 3);
  load(loaded, path);
  CHECK(contents_of(loaded->state_dict()) == contents_of(net->state_dict()));
  optim::SGD other(loaded->parameters(), optim::SGDOptions(1.0));
  load(other, path);
  CHECK(other.param_groups()[0].options().get_lr() == 0.25);
  CHECK(contents_of(other.state()) == contents_of(optimizer.state()));
}

TEST_CASE("load: modules without parameters and tied ones come back", "[serialize]") {
  const TemporaryDirectory directory;
  struct TiedImpl : nn::Module {
    TiedImpl() {
      register_module("a", layer);
      register_module("b", layer);
      register_module("relu", nn::ReLU());
    }
    nn::Linear layer{2, 2};
  };
  for (const std::string& name : files_of_every_format()) {
    const auto net = std::make_shared<TiedImpl>();
    auto loaded = std::make_shared<TiedImpl>();
    save(net, directory.file(name));
    load(loaded, directory.file(name));
    CHECK(contents_of(loaded->state_dict()) == contents_of(net->state_dict()));
    nn::ReLU relu;
    save(relu, directory.file(name));
    load(relu, directory.file(name));
  }
}
