#include <backflow/train/model/model_dump.h>

#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/reductions/norm.h>
#include <backflow/train/run/resume.h>

namespace backflow::train {
namespace {

template <class Named>
io::NamedTensors pairs_of(const Named& named) {
  io::NamedTensors pairs;
  for (const auto& item : named) {
    pairs.emplace_back(item.key(), item.value());
  }
  return pairs;
}

}  // namespace

io::Dump make_dump(const nn::Module& module) {
  io::Dump dump;
  dump.parameters = pairs_of(module.named_parameters());
  dump.buffers = pairs_of(module.named_buffers());
  return dump;
}

void append_optimizer_state(const optim::Optimizer& optimizer, const nn::Module& module, io::NamedTensors& to) {
  for (auto& item : optimizer_state(optimizer, module)) {
    to.push_back(std::move(item));
  }
}

void check_finite(const io::Dump& dump) {
  for (const auto& [kind, tensors] :
       {std::pair("parameter", &dump.parameters), std::pair("buffer", &dump.buffers),
        std::pair("optimizer state", &dump.optimizer), std::pair("parameter or buffer of training", &dump.trained)}) {
    for (const auto& [name, x] : *tensors) {
      check(!x.is_floating_point() || kernels::all_finite(contiguous(x.detach())), "train: after step ", dump.step, " ",
            kind, " '", name,
            "' has elements that are NaN or infinite: need finite numbers, no dump is written; a smaller learning rate "
            "may help");
    }
  }
}

}  // namespace backflow::train
