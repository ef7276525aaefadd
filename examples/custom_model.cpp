// A model and a loss of one's own in the standard program: custom_model train examples/custom_model.toml
#include <backflow/backflow.h>
#include <backflow/train/model/model_registry.h>
#include <backflow/train/program.h>
namespace torch = backflow;
namespace train = backflow::train;

/// Predicts a normal distribution for each target, so that it also says how sure it is.
struct NormalNet : torch::nn::Module {
  NormalNet(std::int64_t inputs, std::int64_t hidden, std::int64_t outputs)
      : body(register_module("body", torch::nn::Sequential(torch::nn::Linear(inputs, hidden), torch::nn::SiLU()))),
        mean(register_module("mean", torch::nn::Linear(hidden, outputs))),
        log_variance(register_module("log_variance", torch::nn::Linear(hidden, outputs))) {}
  torch::Tensor forward(const torch::Tensor& x) { return mean(body(x)); }
  torch::Tensor loss_sum(const torch::Tensor& x, const torch::Tensor& target) {
    const auto h = body(x), error = mean(h) - target, s = log_variance(h);
    return ((error * error * torch::exp(-s) + s) / 2).sum();  // the negative log-likelihood, up to a constant
  }
  torch::nn::Sequential body;
  torch::nn::Linear mean, log_variance;
};

int main(int argc, char** argv) {
  train::register_model({"normal", "a normal distribution for each target", [](const backflow::io::Section& model) {
                           const auto hidden = model.integer({"hidden", "size of the hidden layer"},
                                                             {.at_least = 1, .at_most = 4096}, 32);
                           return [hidden](const train::ModelRequest& request, train::ParameterBudget&) {
                             const auto net =
                                 std::make_shared<NormalNet>(request.sample_shape[0], hidden, request.output_shape[0]);
                             train::Model result = train::model_of(net, request.output_shape);
                             result.loss_sum = [net](const torch::Tensor& x, const torch::Tensor& target) {
                               return net->loss_sum(x, target);
                             };
                             return result;
                           };
                         }});
  return train::main(argc, argv);
}
