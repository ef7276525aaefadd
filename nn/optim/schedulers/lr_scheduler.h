#pragma once

#include <vector>

#include <backflow/nn/optim/optimizer.h>

namespace backflow::optim {

/// The base class of learning-rate schedules, as libtorch's. `step()` sets the learning rate of every group and counts.
/// Call it after the optimizer's step, once an epoch or once a step. The optimizer must outlive the scheduler.
class LRScheduler {
 public:
  explicit LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) {}
  virtual ~LRScheduler() = default;
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;

  void step();

  /// What it remembers, under the names of PyTorch's state_dict: "last_epoch", "_step_count", "_last_lr.0" of the first
  /// group; of schedules that are formulas also "base_lrs.0". Numbers are tensors without dimensions, int64 or float64.
  OrderedDict<std::string, Tensor> state_dict() const;
  /// Takes over such a state_dict, also of PyTorch. Learning rates are not set: they are part of the optimizer's
  /// state_dict. What PyTorch keeps there of a constructor's arguments, as "gamma", is not looked at. Returns the names
  /// that did not fit. With `strict`, throws Error that lists them, and changes nothing, unless all fit.
  LoadReport load_state_dict(const OrderedDict<std::string, Tensor>& dict, bool strict = true);
  /// Writes the state_dict to an archive, and loads it, strictly.
  void save(serialize::OutputArchive& archive) const;
  void load(serialize::InputArchive& archive);

 protected:
  /// The base learning rates of the groups, null for schedules that have none.
  virtual std::vector<double>* base_lrs() { return nullptr; }
  /// The learning rates that this step sets, one for each group.
  virtual std::vector<double> get_lrs() = 0;
  /// The present learning rates of the groups.
  std::vector<double> get_current_lrs() const;
  /// Sets them. Throws Error unless there is one for each group.
  void set_lrs(const std::vector<double>& lrs);
  Optimizer& optimizer() { return optimizer_; }

  unsigned step_count_ = 0;  ///< steps so far

 private:
  Optimizer& optimizer_;
};

}  // namespace backflow::optim
