#include <backflow/train/loop/ema.h>

#include <algorithm>
#include <map>
#include <string>

#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::train {

Ema::Ema(const EmaOptions& options, const nn::Module& module) : options_(options) {
  if (!is_on()) {
    return;
  }
  const NoGradGuard no_grad;
  for (const auto& named : {module.named_parameters(), module.named_buffers()}) {
    for (const auto& item : named) {
      pairs_.push_back({item.key(), item.value(), clone(item.value().detach())});
    }
  }
}

void Ema::update(std::int64_t steps) {
  const NoGradGuard no_grad;
  const auto t = static_cast<double>(steps);
  const double decay = options_.warmup ? std::min(options_.decay, (1 + t) / (10 + t)) : options_.decay;
  for (const Pair& pair : pairs_) {
    if (pair.weight.is_floating_point()) {
      pair.average.lerp_(pair.weight.detach(), 1 - decay);
    } else {
      pair.average.copy_(pair.weight);
    }
  }
}

void Ema::swap() {
  const NoGradGuard no_grad;
  for (const Pair& pair : pairs_) {
    const Tensor weight = clone(pair.weight.detach());
    pair.weight.copy_(pair.average);
    pair.average.copy_(weight);
  }
}

void Ema::save(io::Dump& dump) const {
  if (!is_on()) {
    return;
  }
  std::map<std::string, Tensor> averages;
  for (const Pair& pair : pairs_) {
    averages.emplace(pair.name, pair.average);
  }
  for (io::NamedTensors* const tensors : {&dump.parameters, &dump.buffers}) {
    dump.trained.insert(dump.trained.end(), tensors->begin(), tensors->end());
    for (auto& [name, value] : *tensors) {
      value = averages.at(name);
    }
  }
}

void Ema::load(const io::Dump& dump) {
  const NoGradGuard no_grad;
  std::map<std::string, Tensor> saved;
  if (!dump.trained.empty()) {
    saved.insert(dump.parameters.begin(), dump.parameters.end());
    saved.insert(dump.buffers.begin(), dump.buffers.end());
  }
  for (const Pair& pair : pairs_) {
    const auto found = saved.find(pair.name);
    const bool fits = found != saved.end() && found->second.sizes() == pair.average.sizes() &&
                      found->second.scalar_type() == pair.average.scalar_type();
    check(saved.empty() || fits, "dump: no average of '", pair.name, "': need those of the same model");
    pair.average.copy_(fits ? found->second : pair.weight.detach());
  }
}

}  // namespace backflow::train
