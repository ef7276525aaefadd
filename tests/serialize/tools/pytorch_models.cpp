// What pytorch_test.py asks of Backflow, in a folder of files:
//
//   pytorch_models model NAME FOLDER      weights.pt into a net, through each format, to back_FORMAT.pt; of each file
//                                         from_python.FORMAT that there is, to back_from_python_FORMAT.pt; input.pt
//                                         through the net to output.pt
//   pytorch_models optimizer NAME FOLDER  weights.pt and optimizer.pt into a net and its optimizer, three steps on
//                                         input.pt, and both to trained.pt and trained_optimizer.pt
//   pytorch_models scheduler FOLDER       scheduler.pt into a schedule, which steps twice, to back_scheduler.pt
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/nn/optim/schedulers/cosine_annealing_lr.h>

using namespace backflow;

namespace {

namespace F = backflow::nn::functional;

struct Net : nn::Module {
  virtual Tensor forward(Tensor x) = 0;
};

/// Layers one after the other, named as in PyTorch's nn.Sequential.
struct Layers : Net {
  explicit Layers(nn::Sequential layers) : all(std::move(layers)) {
    for (const auto& item : all->named_children()) register_module(item.key(), item.value());
  }
  Tensor forward(Tensor x) override { return all->forward(x); }
  nn::Sequential all;
};

struct Residual : Net {
  Tensor forward(Tensor x) override {
    const Tensor y = bn2->forward(conv2->forward(relu(bn1->forward(conv1->forward(x)))));
    return fc->forward(relu(y + down->forward(x)).mean({2, 3}));
  }
  nn::Conv2d conv1 = register_module("conv1", nn::Conv2d(nn::Conv2dOptions(3, 8, 3).stride(2).padding(1).bias(false)));
  nn::BatchNorm2d bn1 = register_module("bn1", nn::BatchNorm2d(8));
  nn::Conv2d conv2 = register_module("conv2", nn::Conv2d(nn::Conv2dOptions(8, 8, 3).padding(1).bias(false)));
  nn::BatchNorm2d bn2 = register_module("bn2", nn::BatchNorm2d(8));
  nn::Sequential down = register_module(
      "down", nn::Sequential(nn::Conv2d(nn::Conv2dOptions(3, 8, 1).stride(2).bias(false)), nn::BatchNorm2d(8)));
  nn::Linear fc = register_module("fc", nn::Linear(8, 5));
};

struct Embedded : Net {
  Tensor forward(Tensor x) override { return fc->forward(embedding->forward(x).mean(1)); }
  nn::Embedding embedding = register_module("embedding", nn::Embedding(11, 6));
  nn::Linear fc = register_module("fc", nn::Linear(6, 4));
};

/// A linear layer with another module's weights.
struct Decoder : nn::Module {
  explicit Decoder(const Tensor& weights)
      : weight(register_parameter("weight", weights)), bias(register_parameter("bias", zeros({weights.size(0)}))) {}
  Tensor weight;
  Tensor bias;
};

struct Tied : Net {
  Tensor forward(Tensor x) override { return F::linear(embedding->forward(x), decoder->weight, decoder->bias); }
  nn::Embedding embedding = register_module("embedding", nn::Embedding(9, 4));
  std::shared_ptr<Decoder> decoder = register_module("decoder", std::make_shared<Decoder>(embedding->weight));
};

/// Parameters are bfloat16, and computed with in float32.
struct BFloat16 : Net {
  BFloat16() { fc->to(kBFloat16); }
  Tensor forward(Tensor x) override { return F::linear(x, fc->weight.to(kFloat), fc->bias.to(kFloat)); }
  nn::Linear fc = register_module("fc", nn::Linear(7, 3));
};

struct Scalars : Net {
  Tensor forward(Tensor x) override { return x * scale + shift.to(kFloat) + count.to(kFloat) * flag.to(kFloat); }
  Tensor scale = register_parameter("scale", zeros({}));
  Tensor shift = register_buffer("shift", zeros({}, kDouble));
  Tensor count = register_buffer("count", zeros({}, kLong));
  Tensor flag = register_buffer("flag", zeros({1}, kBool));
};

struct Empty : Net {
  Tensor forward(Tensor x) override { return fc->forward(cat({x, none}, 0)); }
  Tensor none = register_parameter("none", zeros({0, 4}));
  Tensor nothing = register_buffer("nothing", zeros({3, 0}, kLong));
  nn::Linear fc = register_module("fc", nn::Linear(4, 2));
};

struct Bags : Net {
  Tensor forward(Tensor x) override { return norm->forward(bag->forward(x)); }
  nn::EmbeddingBag bag = register_module("bag", nn::EmbeddingBag(nn::EmbeddingBagOptions(10, 5).mode(kSum)));
  nn::BatchNorm1d norm = register_module("norm", nn::BatchNorm1d(nn::BatchNorm1dOptions(5).affine(false)));
};

std::shared_ptr<Net> layers(nn::Sequential all) { return std::make_shared<Layers>(std::move(all)); }

std::shared_ptr<Net> make(const std::string& name) {
  const std::map<std::string, std::function<std::shared_ptr<Net>()>> nets{
      {"mlp", [] { return layers(nn::Sequential(nn::Linear(6, 8), nn::ReLU(), nn::Linear(8, 3))); }},
      {"batch_norm",
       [] { return layers(nn::Sequential(nn::Linear(6, 8), nn::BatchNorm1d(8), nn::Tanh(), nn::Linear(8, 3))); }},
      {"lenet",
       [] {
         return layers(nn::Sequential(nn::Conv2d(1, 6, 5), nn::ReLU(), nn::MaxPool2d(2), nn::Conv2d(6, 16, 5),
                                      nn::ReLU(), nn::MaxPool2d(2), nn::Flatten(), nn::Linear(256, 10)));
       }},
      {"residual", [] { return std::make_shared<Residual>(); }},
      {"embedding", [] { return std::make_shared<Embedded>(); }},
      {"tied", [] { return std::make_shared<Tied>(); }},
      {"bfloat16", [] { return std::make_shared<BFloat16>(); }},
      {"scalars", [] { return std::make_shared<Scalars>(); }},
      {"empty", [] { return std::make_shared<Empty>(); }},
      {"norms",
       [] {
         return layers(nn::Sequential(nn::Conv2d(3, 6, 3), nn::GroupNorm(2, 6), nn::PReLU(), nn::Flatten(),
                                      nn::LayerNorm(nn::LayerNormOptions({216})), nn::Linear(216, 2)));
       }},
      {"float64",
       [] {
         auto net = layers(nn::Sequential(nn::Conv2d(nn::Conv2dOptions(4, 4, 3).groups(4)), nn::ELU(),
                                          nn::ConvTranspose2d(nn::ConvTranspose2dOptions(4, 2, 2).stride(2))));
         net->to(kDouble);
         return net;
       }},
      {"bags", [] { return std::make_shared<Bags>(); }},
  };
  return nets.at(name)();
}

void run_model(const std::string& name, const std::string& folder) {
  const std::shared_ptr<Net> net = make(name);
  load(*net, folder + "weights.pt");
  std::vector<std::string> formats{"pt", "safetensors", "npz"};
#if BACKFLOW_TEST_HDF5
  formats.push_back("h5");
#endif
  for (const std::string& format : formats) {
    const std::string file = folder + "through." + format;
    save(*net, file);
    const std::shared_ptr<Net> other = make(name);
    load(*other, file);
    save(*other, folder + "back_" + format + ".pt");
    const std::string theirs = folder + "from_python." + format;
    if (std::filesystem::exists(theirs)) {
      const std::shared_ptr<Net> third = make(name);
      load(*third, theirs);
      save(*third, folder + "back_from_python_" + format + ".pt");
    }
  }
  net->eval();
  Tensor x;
  load(x, folder + "input.pt");
  const NoGradGuard no_grad;
  save(net->forward(x), folder + "output.pt");
}

std::unique_ptr<optim::Optimizer> optimizer_of(const std::string& name, std::vector<Tensor> parameters) {
  if (name == "SGD") return std::make_unique<optim::SGD>(std::move(parameters), optim::SGDOptions(1));
  if (name == "Adam") return std::make_unique<optim::Adam>(std::move(parameters), optim::AdamOptions(1));
  if (name == "AdamW") return std::make_unique<optim::AdamW>(std::move(parameters), optim::AdamWOptions(1));
  if (name == "RMSprop") return std::make_unique<optim::RMSprop>(std::move(parameters), optim::RMSpropOptions(1));
  return std::make_unique<optim::Adagrad>(std::move(parameters), optim::AdagradOptions(1));
}

void run_optimizer(const std::string& name, const std::string& folder) {
  const std::shared_ptr<Net> net = make("mlp");
  net->to(kDouble);
  load(*net, folder + "weights.pt");
  const auto optimizer = optimizer_of(name, net->parameters());
  load(*optimizer, folder + "optimizer.pt");
  Tensor x;
  load(x, folder + "input.pt");
  for (int i = 0; i < 3; ++i) {
    optimizer->zero_grad();
    net->forward(x).pow(2).mean().backward();
    optimizer->step();
  }
  save(*net, folder + "trained.pt");
  save(*optimizer, folder + "trained_optimizer.pt");
}

void run_scheduler(const std::string& folder) {
  const Tensor x = ones({1}).requires_grad_(true);
  optim::SGD optimizer({x}, optim::SGDOptions(1.0));
  optim::CosineAnnealingLR scheduler(optimizer, 8, 0.01);
  load(scheduler, folder + "scheduler.pt");
  scheduler.step();
  scheduler.step();
  save(scheduler, folder + "back_scheduler.pt");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  try {
    if (what == "model" && argc == 4) {
      run_model(argv[2], std::string(argv[3]) + "/");
    } else if (what == "optimizer" && argc == 4) {
      run_optimizer(argv[2], std::string(argv[3]) + "/");
    } else if (what == "scheduler") {
      run_scheduler(std::string(argv[2]) + "/");
    } else {
      std::cerr << "pytorch_models: need the arguments that its source tells\n";
      return 2;
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
