#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <backflow/nn/load_report.h>
#include <backflow/nn/ordered_dict.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {
struct UpdateOperand;
}

namespace backflow::serialize {
class InputArchive;
class OutputArchive;
}  // namespace backflow::serialize

namespace backflow::optim {

/// The options of a group of parameters; each optimizer has its own class.
class OptimizerOptions {
 public:
  virtual ~OptimizerOptions() = default;
  virtual std::unique_ptr<OptimizerOptions> clone() const = 0;
  virtual double get_lr() const = 0;
  virtual void set_lr(double lr) = 0;
  /// Writes the options to an archive under PyTorch's names, and reads those that are there. Here it is "lr" alone; a
  /// class with more options overrides both. Throws Error for a value of another kind.
  virtual void serialize(serialize::OutputArchive& archive) const;
  virtual void serialize(serialize::InputArchive& archive);
};

/// Parameters that share options: the group's own, or else those of the optimizer. Copies have copies of the options.
class OptimizerParamGroup {
 public:
  OptimizerParamGroup(std::vector<Tensor> params)
      : params_(std::move(params)) {}  // NOLINT(google-explicit-constructor)
  OptimizerParamGroup(std::vector<Tensor> params, std::unique_ptr<OptimizerOptions> options)
      : params_(std::move(params)), options_(std::move(options)) {}
  OptimizerParamGroup(const OptimizerParamGroup& other)
      : params_(other.params_),
        options_(other.options_ ? other.options_->clone() : nullptr),
        initial_lr_(other.initial_lr_) {}
  OptimizerParamGroup(OptimizerParamGroup&&) = default;
  OptimizerParamGroup& operator=(const OptimizerParamGroup&) = delete;
  OptimizerParamGroup& operator=(OptimizerParamGroup&&) = default;

  std::vector<Tensor>& params() { return params_; }
  const std::vector<Tensor>& params() const { return params_; }
  bool has_options() const { return options_ != nullptr; }
  /// Throws Error when there are none.
  OptimizerOptions& options() const;
  void set_options(std::unique_ptr<OptimizerOptions> options) { options_ = std::move(options); }
  /// The learning rate before any scheduler, which the first scheduler of the optimizer notes here.
  const std::optional<double>& initial_lr() const { return initial_lr_; }
  void set_initial_lr(std::optional<double> lr) { initial_lr_ = lr; }

 private:
  std::vector<Tensor> params_;
  std::unique_ptr<OptimizerOptions> options_;
  std::optional<double> initial_lr_;
};

/// Consecutive elements of a parameter, row-major.
struct ElementRange {
  std::int64_t begin = 0;
  std::int64_t numel = 0;

  friend bool operator==(const ElementRange&, const ElementRange&) = default;
};

/// Some elements of a parameter and their gradient, which has one dimension.
struct PartialUpdate {
  Tensor parameter;
  ElementRange range;
  Tensor gradient;
};

/// The base of all optimizers, as libtorch's. Parameters are handles on the model's tensors, changed in place by `step`
/// off the tape; those whose gradient is undefined are skipped.
class Optimizer {
 public:
  using LossClosure = std::function<Tensor()>;
  using NamedTensors = OrderedDict<std::string, Tensor>;

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Adds a group of parameters. Throws Error for options of another optimizer or out of range, and for a parameter
  /// that is undefined, not a leaf, integral or there already.
  void add_param_group(OptimizerParamGroup group);
  std::vector<OptimizerParamGroup>& param_groups() { return groups_; }
  const std::vector<OptimizerParamGroup>& param_groups() const { return groups_; }
  OptimizerOptions& defaults() { return *defaults_; }
  /// The number of parameters.
  std::size_t size() const { return entries_.size(); }

  /// Updates every parameter with its gradient. With a closure, calls it first, with recording on: it computes loss and
  /// gradients, and its loss is returned.
  Tensor step(const LossClosure& closure = nullptr);
  /// Updates only these parameters, in the given order. Several threads may call it at once for different parameters.
  /// Throws Error for a tensor that is not a parameter of this optimizer.
  void step_parameters(std::span<const Tensor> parameters);
  /// Updates parts of parameters, as step_parameters does with the same elements: an update of one element depends on
  /// no other. The optimizer keeps the state of these parts alone. For optimizers whose state is shared out over
  /// processes. grad() is not used. Throws Error for a range or gradient that does not fit, and when the optimizer has
  /// the state of other elements.
  void step_parts(std::span<const PartialUpdate> updates);
  /// The time of step_parameters for these, in ns on one thread, estimated from the bytes that it moves. Throws Error
  /// for a tensor that is not a parameter of this optimizer.
  float work(std::span<const Tensor> parameters) const;
  /// Drops all gradients, or with `set_to_none` false makes them zero.
  void zero_grad(bool set_to_none = true);

  /// The optimizer's state for one parameter, as {"momentum_buffer": tensor} or {"step": int64 tensor, "exp_avg":
  /// tensor, ...}; empty before its first step. The tensors are shared with the optimizer. Throws Error for a tensor
  /// that is not a parameter of this optimizer.
  const NamedTensors& state(const Tensor& parameter) const;
  /// The state of all parameters, for a checkpoint, as "<parameter>.<name>". <parameter> is its name in `names`, or
  /// else its number over all groups, as in PyTorch's state_dict.
  NamedTensors state(const NamedTensors& names = {}) const;
  /// The elements whose state the optimizer keeps, when it is not the whole parameter's.
  const std::optional<ElementRange>& state_range(const Tensor& parameter) const;
  /// Replaces the state of a parameter by that of some elements: tensors of one dimension beside "step", or nothing for
  /// a state that starts anew. Throws Error for a state that does not fit.
  void set_state(const Tensor& parameter, ElementRange range, NamedTensors state);
  /// The names of the tensors that the state of a parameter has after its first update, "step" first if it counts.
  std::vector<std::string> state_names(const Tensor& parameter) const;
  /// Restores the result of `state(names)`, of whole parameters. Parameters without state in it start anew. Throws
  /// Error, and changes nothing, for an unknown parameter or name, for another shape or dtype, and when a part of a
  /// parameter's state is not there.
  void load_state(const NamedTensors& state, const NamedTensors& names = {});

  /// State and options, under the names of PyTorch's state_dict joined by dots: "state.0.exp_avg",
  /// "param_groups.0.lr", "param_groups.0.betas.1", "param_groups.0.params.0". State is shared with the optimizer;
  /// numbers are tensors without dimensions, int64, float64 or bool. Throws Error when the optimizer has the state of
  /// parts of parameters.
  NamedTensors state_dict() const;
  /// Takes over such a state_dict, also of PyTorch: state, and the options of all groups. Parameters belong together by
  /// their order. Parameters without state in it start anew. PyTorch's options that have no counterpart here are not
  /// looked at (foreach, fused, capturable, differentiable), but for a maximize that is true, which does not fit.
  ///
  /// Returns the names that did not fit. With `strict`, throws Error that lists them all unless all fit; without, loads
  /// what fits, and of a parameter's state all or nothing. Throws Error for options out of range. After an Error
  /// nothing has changed.
  LoadReport load_state_dict(const NamedTensors& dict, bool strict = true);
  /// Writes the state_dict to an archive, and loads it, strictly.
  virtual void save(serialize::OutputArchive& archive) const;
  virtual void load(serialize::InputArchive& archive);

 protected:
  explicit Optimizer(std::unique_ptr<OptimizerOptions> defaults) : defaults_(std::move(defaults)) {}

  /// The state of a parameter. `tensors`: names of tensors of its shape and dtype, in the order of the update kernel,
  /// null for unused ones. `initial`: the value that their elements start with. `step`: whether "step" counts its
  /// updates.
  struct StateKept {
    std::array<const char*, 3> tensors;
    double initial = 0;
    bool step = true;
  };

  /// For constructors of derived classes, when the virtual functions below can be called.
  void add_param_groups(std::vector<OptimizerParamGroup> groups);
  /// A list of one group, with the optimizer's options.
  static std::vector<OptimizerParamGroup> one_group(std::vector<Tensor> params);

  /// Throws Error for options that are not this optimizer's or out of range.
  virtual void check_options(const OptimizerOptions& options) const = 0;
  virtual StateKept state_kept(const OptimizerOptions& options) const = 0;
  /// Updates parameters of one group; their state exists. Recording is off. Several threads may call it at once.
  virtual void update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const = 0;

 private:
  struct Entry {
    Tensor parameter;
    std::size_t group;
    NamedTensors state;
    std::optional<ElementRange> range = std::nullopt;  ///< whose state it is, unless the whole parameter's
  };

  const Entry& entry(const Tensor& parameter) const;
  std::vector<std::string> paths(const NamedTensors& names) const;
  void run(std::span<Entry* const> entries);
  void run_group(std::span<Entry* const> entries);
  kernels::UpdateOperand operand_of(Entry& entry, const StateKept& kept) const;
  void run_parts(std::span<const PartialUpdate> updates);
  void add_state(Entry& entry, const StateKept& kept, IntArrayRef sizes, kernels::UpdateOperand& operand) const;
  bool accepts(const Entry& entry, const std::string& name, const Tensor& value) const;
  void check_complete(const Entry& entry, const std::string& path, const NamedTensors& state) const;
  class StateDictLoad;
  LoadReport load_state_dict_of(const std::string& where, const NamedTensors& dict, bool strict);

  std::unique_ptr<OptimizerOptions> defaults_;
  std::vector<OptimizerParamGroup> groups_;
  std::vector<std::unique_ptr<Entry>> entries_;  ///< in the order of the groups
  std::unordered_map<const TensorImpl*, Entry*> by_tensor_;
};

}  // namespace backflow::optim
