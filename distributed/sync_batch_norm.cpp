#include <backflow/distributed/sync_batch_norm.h>

#include <algorithm>
#include <span>
#include <utility>

#include <backflow/nn/modules/batch_norm.h>

namespace backflow::distributed {
namespace {

class AllRanks final : public StatisticsGroup {
 public:
  explicit AllRanks(std::shared_ptr<Communicator> communicator) : communicator_(std::move(communicator)) {}

  void sum(std::span<double> numbers) override { communicator_->all_reduce_sum(numbers); }

 private:
  std::shared_ptr<Communicator> communicator_;
};

/// The batch normalizations in `module`, itself included.
std::vector<nn::detail::BatchNormModule*> batch_norms(const nn::Module& module) {
  std::vector<nn::detail::BatchNormModule*> norms;
  for (const auto& child : module.modules()) {
    if (auto* norm = dynamic_cast<nn::detail::BatchNormModule*>(child.get())) {
      norms.push_back(norm);
    }
  }
  return norms;
}

}  // namespace

std::shared_ptr<StatisticsGroup> statistics_group(std::shared_ptr<Communicator> communicator) {
  return std::make_shared<AllRanks>(std::move(communicator));
}

void sync_batch_norm(const nn::Module& module, Communicator& communicator) {
  const std::vector<nn::detail::BatchNormModule*> norms = batch_norms(module);
  if (communicator.size() == 1 || norms.empty()) {
    return;
  }
  const std::shared_ptr<StatisticsGroup> group = statistics_group(communicator.duplicate());
  for (nn::detail::BatchNormModule* norm : norms) {
    norm->set_statistics_group(group);
  }
}

std::vector<Tensor> buffers_to_combine(const nn::Module& module) {
  std::vector<Tensor> buffers = module.buffers();
  for (const nn::detail::BatchNormModule* norm : batch_norms(module)) {
    if (norm->statistics_group() != nullptr) {
      for (const Tensor& own : norm->buffers(false)) {
        buffers.erase(std::remove_if(buffers.begin(), buffers.end(), [&](const Tensor& x) { return x.is_same(own); }),
                      buffers.end());
      }
    }
  }
  return buffers;
}

}  // namespace backflow::distributed
