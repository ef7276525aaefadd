#include <backflow/nn/models/mlp.h>

#include <algorithm>

#include <backflow/nn/modules/dropout.h>

namespace backflow::nn {
namespace {

struct Activation {
  const char* name;
  AnyModule (*make)();
};

template <class Module>
AnyModule make() {
  return Module();
}

constexpr Activation kActivations[] = {
    {"relu", make<ReLU>},       {"leaky_relu", make<LeakyReLU>},
    {"elu", make<ELU>},         {"selu", make<SELU>},
    {"gelu", make<GELU>},       {"silu", make<SiLU>},
    {"mish", make<Mish>},       {"tanh", make<Tanh>},
    {"sigmoid", make<Sigmoid>},
};

/// What stands behind a hidden layer. With dropout it is one module too, so that linear layers keep their names.
AnyModule between(const MLPOptions& options) {
  const auto* const found = std::find_if(std::begin(kActivations), std::end(kActivations),
                                         [&](const Activation& a) { return a.name == options.activation(); });
  check(found != std::end(kActivations), "mlp: activation '", options.activation(),
        "': need relu or another of MLPOptions::activations()");
  if (options.dropout() == 0) {
    return found->make();
  }
  return Sequential(found->make(), Dropout(options.dropout()));
}

}  // namespace

std::vector<std::string> MLPOptions::activations() {
  std::vector<std::string> names;
  for (const Activation& activation : kActivations) {
    names.emplace_back(activation.name);
  }
  return names;
}

MLPImpl::MLPImpl(const MLPOptions& options) {
  const std::vector<std::int64_t>& sizes = options.sizes();
  check(sizes.size() >= 2, "mlp: sizes ", IntArrayRef(sizes), ": need at least an input and an output");
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (i > 0) {
      push_back(between(options));
    }
    push_back(Linear(sizes[i], sizes[i + 1]));
  }
}

Tensor MLPImpl::forward(const Tensor& input) const {
  check(input.dim() >= 2, "mlp: input ", describe(input), ": need [batch, ...]");
  return SequentialImpl::forward(input.dim() == 2 ? input : input.flatten(1));
}

DimVector MLPImpl::output_shape(IntArrayRef input) const {
  check(input.size() >= 2, "mlp: input shape ", input, ": need [batch, ...]");
  return SequentialImpl::output_shape(FlattenImpl().output_shape(input));
}

}  // namespace backflow::nn
