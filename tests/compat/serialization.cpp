// Files and streams: tensors, lists, modules and optimizers, and archives of a program's own.
#include <backflow/tests/compat/torch_api.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

struct NetImpl : torch::nn::Module {
  NetImpl() {
    fc = register_module("fc", torch::nn::Linear(3, 2));
    norm = register_module("norm", torch::nn::BatchNorm1d(2));
    scale = register_parameter("scale", torch::ones({2}));
    seen = register_buffer("seen", torch::zeros({1}));
  }
  torch::Tensor forward(torch::Tensor x) { return norm(fc(x)) * scale + seen; }

  torch::nn::Linear fc{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
  torch::Tensor scale, seen;
};
TORCH_MODULE(Net);

// Keeps a number of its own beside its parameters.
struct CounterImpl : torch::nn::Module {
  CounterImpl() { weight = register_parameter("weight", torch::full({2}, 0.5)); }
  void save(torch::serialize::OutputArchive& archive) const override {
    torch::nn::Module::save(archive);
    archive.write("count", c10::IValue(count));
  }
  void load(torch::serialize::InputArchive& archive) override {
    torch::nn::Module::load(archive);
    c10::IValue value;
    archive.read("count", value);
    count = value.toInt();
  }
  torch::Tensor weight;
  std::int64_t count = 0;
};
TORCH_MODULE(Counter);

std::string path(const char* name) {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/backflow_compat_" + name + "_" +
         std::to_string(reinterpret_cast<std::uintptr_t>(&folder)) + ".pt";
}

void train(Net& net, torch::optim::Optimizer& optimizer, int steps) {
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    net->forward(torch::arange(12, torch::kFloat).view({4, 3}) / 10).pow(2).mean().backward();
    optimizer.step();
  }
}

void set_parameters(Net& net) {
  torch::NoGradGuard no_grad;
  double value = 0.1;
  for (auto& p : net->parameters()) p.fill_(value += 0.1);
}

int main() {
  const std::string file = path("file");

  auto x = torch::tensor({1.5, -2.0, 4.0});
  torch::save(x, file);
  torch::Tensor y;
  torch::load(y, file);
  show("tensor", y);

  std::vector<torch::Tensor> list{x, torch::ones({2, 2}), torch::tensor({7})};
  torch::save(list, file);
  std::vector<torch::Tensor> back;
  torch::load(back, file);
  std::printf("list of %d\n", static_cast<int>(back.size()));
  for (auto& one : back) show("element", one);
  fact("integers stay integers", back[2].dtype() == torch::kInt64);

  torch::save(torch::ones({2}, torch::requires_grad()), file);
  torch::Tensor leaf;
  torch::load(leaf, file);
  fact("a leaf that requires a gradient comes back as one", leaf.is_leaf() && leaf.requires_grad());
  auto plain = torch::zeros({2});
  torch::load(plain, file);
  fact("a tensor that is there keeps its own", !plain.requires_grad());

  Net net;
  set_parameters(net);
  torch::optim::Adam adam(net->parameters(), torch::optim::AdamOptions(0.01).betas({0.8, 0.9}));
  train(net, adam, 3);
  torch::save(net, file);
  std::stringstream stream;
  torch::save(adam, stream);

  Net other;
  torch::load(other, file);
  torch::optim::Adam adam2(other->parameters(), torch::optim::AdamOptions(0.01).betas({0.8, 0.9}));
  torch::load(adam2, stream);
  train(net, adam, 2);
  train(other, adam2, 2);
  for (size_t i = 0; i < net->parameters().size(); ++i) {
    fact("same bits", torch::equal(net->parameters()[i], other->parameters()[i]));
  }
  for (size_t i = 0; i < net->buffers().size(); ++i) {
    fact("same buffer", torch::equal(net->buffers()[i], other->buffers()[i]));
  }
  fact("still a leaf that requires a gradient", other->scale.is_leaf() && other->scale.requires_grad());

  Counter counter;
  counter->count = 41;
  torch::save(counter, file);
  Counter counter2;
  torch::load(counter2, file);
  std::printf("count %d\n", static_cast<int>(counter2->count));

  torch::serialize::OutputArchive archive;
  archive.write("x", x);
  archive.write("epoch", c10::IValue(static_cast<std::int64_t>(5)));
  archive.write("rate", c10::IValue(0.25));
  archive.write("name", c10::IValue(std::string("small")));
  torch::serialize::OutputArchive inner;
  inner.write("y", torch::ones({2}));
  archive.write("inner", inner);
  archive.save_to(file);

  torch::serialize::InputArchive input;
  input.load_from(file);
  torch::Tensor read;
  input.read("x", read);
  show("x", read);
  c10::IValue value;
  input.read("epoch", value);
  std::printf("epoch %d %d\n", value.isInt(), static_cast<int>(value.toInt()));
  input.read("rate", value);
  std::printf("rate %d %.2f\n", value.isDouble(), value.toDouble());
  input.read("name", value);
  std::printf("name %d %s\n", value.isString(), value.toStringRef().c_str());
  torch::serialize::InputArchive part;
  input.read("inner", part);
  torch::Tensor inside;
  part.read("y", inside);
  show("inner y", inside);
  fact("try_read finds what is there", input.try_read("x", read));
  fact("try_read finds what is not there", input.try_read("z", read));
  throws("read of what is not there", [&] { input.read("z", read); });
  throws("a file that is not there", [] {
    torch::Tensor t;
    torch::load(t, "/nowhere/at/all.pt");
  });
  throws("a damaged stream", [] {
    std::istringstream damaged("not a file of tensors");
    torch::Tensor t;
    torch::load(t, damaged);
  });
  throws("a folder that is not there", [&] { torch::save(x, "/nowhere/at/all.pt"); });
  std::remove(file.c_str());
}
