// The activation modules, and dropout where it is deterministic.
#include <backflow/tests/compat/torch_api.h>

namespace F = torch::nn::functional;
namespace nn = torch::nn;

namespace {

torch::Tensor numbers() {
  return torch::tensor({{-3.5, -1.0, -0.25, 0.75}, {0.5, 1.25, 2.0, -0.5}}, torch::requires_grad());
}

template <class Module>
void run(const char* name, Module module) {
  auto x = numbers();
  auto y = module->forward(x);
  show(name, y);
  y.sum().backward();
  show("gradient", x.grad());
}

template <class Module>
void run_inplace(const char* name, Module module) {
  auto x = numbers().detach();
  module->forward(x);
  show(name, x);
}

void run_all() {
  run("relu", nn::ReLU());
  run("relu6", nn::ReLU6());
  run("elu", nn::ELU(nn::ELUOptions().alpha(0.5)));
  run("selu", nn::SELU());
  run("celu", nn::CELU(nn::CELUOptions().alpha(2)));
  run("leaky relu", nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(0.25)));
  run("glu", nn::GLU(1));
  run("gelu", nn::GELU());
  run("gelu, tanh", nn::GELU(nn::GELUOptions().approximate("tanh")));
  run("silu", nn::SiLU());
  run("mish", nn::Mish());
  run("hardshrink", nn::Hardshrink(0.6));
  run("softshrink", nn::Softshrink(0.6));
  run("tanhshrink", nn::Tanhshrink());
  run("hardtanh", nn::Hardtanh(nn::HardtanhOptions().min_val(-0.75).max_val(1)));
  run("softplus", nn::Softplus(nn::SoftplusOptions().beta(2).threshold(3)));
  run("softsign", nn::Softsign());
  run("threshold", nn::Threshold(0.6, 20));
  run("tanh", nn::Tanh());
  run("sigmoid", nn::Sigmoid());
  run("log sigmoid", nn::LogSigmoid());
  run("softmax", nn::Softmax(1));
  run("softmin", nn::Softmin(0));
  run("log softmax", nn::LogSoftmax(-1));
  show("softmax 2d", nn::Softmax2d()->forward(numbers().reshape({1, 2, 2, 2})));
}

void run_inplace_ones() {
  run_inplace("relu", nn::ReLU(true));
  run_inplace("elu", nn::ELU(nn::ELUOptions().inplace(true)));
  run_inplace("celu", nn::CELU(nn::CELUOptions().inplace(true)));
  run_inplace("leaky relu", nn::LeakyReLU(nn::LeakyReLUOptions().inplace(true)));
  run_inplace("hardtanh", nn::Hardtanh(nn::HardtanhOptions().inplace(true)));
  run_inplace("threshold", nn::Threshold(nn::ThresholdOptions(0.5, -1).inplace(true)));
}

void run_learned() {
  nn::PReLU prelu(nn::PReLUOptions().num_parameters(4).init(0.5));
  run("prelu", prelu);
  show("slopes", prelu->weight.grad());
}

void run_random() {
  nn::RReLU rrelu(nn::RReLUOptions().lower(0.25).upper(0.75));
  rrelu->eval();
  run("rrelu", rrelu);
  nn::Dropout dropout(0.75);
  dropout->eval();
  run("dropout, evaluating", dropout);
  run("dropout of nothing", nn::Dropout(0.0));
  show("dropout of all", nn::Dropout(1.0)->forward(numbers()).abs());  // a zero's sign is nobody's business
  run("alpha dropout of nothing", nn::AlphaDropout(0.0));
  auto x = numbers();
  show("F::dropout", F::dropout(x, F::DropoutFuncOptions().p(0.5).training(false)));
  // What is kept is doubled: each element is 0 or twice itself.
  auto y = F::dropout(x, F::DropoutFuncOptions().p(0.5));
  show("difference", (y * (y - 2 * x)).abs().detach());
}

}  // namespace

int main() {
  run_all();
  run_inplace_ones();
  run_learned();
  run_random();
}
