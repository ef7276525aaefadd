#include <backflow/ops/autograd/checkpoint.h>

#include <any>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <backflow/ops/creation/random.h>
#include <backflow/runtime/engine/execution.h>
#include <backflow/runtime/engine/nesting.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/saved_tensor.h>

namespace backflow {
namespace {

using Function = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

/// Leaves the second run of a segment when all that backward needs is there.
struct RecomputedEnough {};

/// One call of a checkpointed function. What its operations save is counted in the first run and kept in the second;
/// the order is what tells which tensor is which.
class Segment : public std::enable_shared_from_this<Segment> {
 public:
  Segment(Function fn, const std::vector<Tensor>& inputs, const CheckpointOptions& options) : fn_(std::move(fn)) {
    for (const Tensor& x : inputs) {
      auto& input = inputs_.emplace_back();
      input.requires_grad = x.defined() && x.requires_grad();
      if (x.defined()) {
        input.tensor.save(x);  // through the hooks of an outer segment, if there is one
      }
    }
    if (options.preserve_rng_state) {
      random_ = default_generator().state();
    }
  }

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) {
    const auto self = shared_from_this();
    const SavedTensorHooks hooks(
        [self](const Tensor&) { return std::any(std::make_shared<const SavedSlot>(self, self->count_++)); },
        [](const std::any& place) {
          const auto& at = *std::any_cast<const std::shared_ptr<const SavedSlot>&>(place);
          return at.segment->get(at.index);
        });
    std::vector<Tensor> outputs;
    run_nested([&] { outputs = fn_(inputs); });
    return outputs;
  }

 private:
  /// What is saved in place of a tensor: its number. When it goes, nobody will ask for the tensor again.
  struct SavedSlot {
    SavedSlot(std::shared_ptr<Segment> segment_, std::size_t index_) : segment(std::move(segment_)), index(index_) {}
    ~SavedSlot() { segment->drop(index); }
    SavedSlot(const SavedSlot&) = delete;
    SavedSlot& operator=(const SavedSlot&) = delete;

    std::shared_ptr<Segment> segment;
    std::size_t index;
  };

  struct Input {
    SavedTensor tensor;
    bool requires_grad = false;
  };

  struct Saved {
    Tensor tensor;
    std::uint32_t version = 0;
  };

  Tensor get(std::size_t index) {
    const std::lock_guard lock(mutex_);
    Execution* pass = thread_state().pass;
    if (saved_.empty() || !saved_[index].tensor.defined()) {
      run_nested([this] { recompute(); });
      if (pass != nullptr) {
        pass->at_end([weak = weak_from_this()] {
          if (const auto segment = weak.lock()) {
            const std::lock_guard end_lock(segment->mutex_);
            segment->saved_.clear();
          }
        });
      }
    }
    const Saved& saved = saved_[index];
    check(saved.tensor.impl().storage->version() == saved.version, "checkpoint: the function changed ",
          describe(saved.tensor), " in place after an operation had saved it: need a clone() before the change");
    return saved.tensor;
  }

  void drop(std::size_t index) {
    const std::lock_guard lock(mutex_);
    if (index < saved_.size()) {
      saved_[index].tensor.reset();
    }
  }

  void recompute() {
    std::vector<Tensor> inputs;
    for (const Input& input : inputs_) {
      inputs.push_back(input.tensor.defined() ? input.tensor.unpack().detach() : Tensor());
      if (input.requires_grad) {
        inputs.back().set_requires_grad(true);
      }
    }
    std::vector<Saved> saved;
    try {
      const AutoGradMode recording(true);
      std::optional<DefaultGeneratorGuard> random;
      if (random_) {
        random.emplace(*random_);
      }
      const SavedTensorHooks hooks(
          [&](const Tensor& x) {
            saved.push_back({x.detach(), x.impl().storage->version()});
            if (saved.size() == count_) {
              throw RecomputedEnough();
            }
            return std::any();
          },
          [](const std::any&) -> Tensor { fail("checkpoint: backward inside of the function: need it outside"); });
      fn_(inputs);
    } catch (const RecomputedEnough&) {
    }
    check(saved.size() == count_, "checkpoint: the function saved ", saved.size(), " tensors in its second run and ",
          count_, " in its first: need one that does the same again");
    saved_ = std::move(saved);
  }

  Function fn_;
  std::vector<Input> inputs_;
  std::optional<Generator::State> random_;
  std::size_t count_ = 0;  // tensors saved in the first run
  std::mutex mutex_;
  std::vector<Saved> saved_;  // by the second run; undefined once nobody needs it
};

}  // namespace

std::vector<Tensor> checkpoint(Function fn, const std::vector<Tensor>& inputs, CheckpointOptions options) {
  if (!GradMode::is_enabled()) {
    return fn(inputs);
  }
  return std::make_shared<Segment>(std::move(fn), inputs, options)->run(inputs);
}

Tensor checkpoint(std::function<Tensor(const Tensor&)> fn, const Tensor& input, CheckpointOptions options) {
  const Function all = [fn = std::move(fn)](const std::vector<Tensor>& inputs) {
    return std::vector<Tensor>{fn(inputs[0])};
  };
  return checkpoint(all, {input}, options)[0];
}

}  // namespace backflow
