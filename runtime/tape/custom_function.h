#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <unordered_map>
#include <utility>
#include <vector>

#include <backflow/runtime/base/type_name.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/tape/saved_tensor.h>
#include <backflow/runtime/tape/variable_list.h>
#include <backflow/runtime/tensor/ivalue.h>

namespace backflow::autograd {

class CustomNode;

/// What the forward of a custom function passes to its backward. One for each call of the function.
class AutogradContext {
 public:
  /// Saves tensors for backward, operands or results. As for built-in operators, a later change in place is an Error in
  /// backward, and the tensors are freed with the graph. To be called once, in forward.
  void save_for_backward(variable_list to_save) { to_save_ = std::move(to_save); }
  /// The tensors of save_for_backward. Throws Error when the graph has been freed, or a tensor was changed in place.
  variable_list get_saved_variables() const;
  /// Anything else that backward needs.
  std::unordered_map<std::string, IValue> saved_data;

  /// The operands that forward changes in place; each has to be returned as well.
  void mark_dirty(const variable_list& inputs) { dirty_ = inputs; }
  /// Results that require no gradient.
  void mark_non_differentiable(const variable_list& outputs) { non_differentiable_ = outputs; }
  /// Whether results without a gradient appear in backward as zeros, which is the default, or as undefined tensors.
  void set_materialize_grads(bool value) { materialize_grads_ = value; }
  /// Whether the gradient of tensor operand number `i` is needed: in forward by any pass, in backward by the present
  /// one.
  bool needs_input_grad(std::size_t i) const;

 private:
  friend class CustomNode;

  variable_list to_save_;
  std::vector<std::pair<bool, SavedTensor>> saved_;  // false for an undefined tensor
  variable_list dirty_;
  variable_list non_differentiable_;
  bool materialize_grads_ = true;
  bool freed_ = false;
  CustomNode* node_ = nullptr;
};

/// The node of one call of a custom function; the type of the function is added by FunctionNode.
class CustomNode : public Node {
 public:
  /// `is_tensor` says of every argument of the forward whether it is a tensor; `operands` are those that are.
  CustomNode(std::vector<bool> is_tensor, const variable_list& operands, bool records);

  void apply(NodeCall& call) final;
  bool takes_undefined() const final { return true; }
  void release_saved() final;

  AutogradContext& context() { return context_; }
  /// Gives the results of the forward their history and keeps what it saved.
  variable_list wrap(variable_list outputs, const variable_list& operands);

 protected:
  virtual variable_list backward(variable_list grads) = 0;
  virtual bool once_differentiable() const = 0;

  AutogradContext context_;

 private:
  friend class AutogradContext;

  struct Metadata {
    DimVector sizes;
    ScalarType dtype = kFloat32;
    bool defined = false;
  };
  static Metadata metadata_of(const Tensor& x);
  variable_list materialized(std::span<const Tensor> dy) const;
  Tensor checked(std::size_t operand, const Tensor& dx) const;
  Tensor wrap_one(Tensor y, std::uint32_t output_nr, const variable_list& outputs, const variable_list& operands);
  void save_tensors(const variable_list& outputs);

  std::vector<bool> is_tensor_;
  std::vector<Edge> edges_;
  std::vector<Metadata> operands_;
  std::vector<Metadata> outputs_;
  bool records_;
};

namespace detail {

/// Adds the gradients that one argument of a forward stands for: one for each tensor of a TensorList, one for any other
/// argument. Says for each whether it is of a tensor, and adds the tensors to `operands`.
template <class T>
void collect_operands(const T& x, std::vector<bool>& is_tensor, variable_list& operands) {
  if constexpr (std::is_same_v<T, Tensor>) {
    is_tensor.push_back(true);
    operands.push_back(x);
  } else if constexpr (std::is_same_v<T, std::optional<Tensor>>) {
    is_tensor.push_back(x.has_value() && x->defined());
    if (is_tensor.back()) {
      operands.push_back(*x);
    }
  } else if constexpr (std::is_same_v<T, TensorList>) {
    is_tensor.insert(is_tensor.end(), x.size(), true);
    operands.insert(operands.end(), x.begin(), x.end());
  } else {
    is_tensor.push_back(false);
  }
}

}  // namespace detail

template <class T>
concept OnceDifferentiable = requires {
  requires T::once_differentiable;
};

template <class T>
class FunctionNode final : public CustomNode {
 public:
  using CustomNode::CustomNode;
  std::string name() const override { return type_name(typeid(T)) + "Backward"; }

 protected:
  variable_list backward(variable_list grads) override { return T::backward(&context_, std::move(grads)); }
  bool once_differentiable() const override { return OnceDifferentiable<T>; }
};

/// A user's own differentiable operation, as libtorch's:
///
///   struct Exp : autograd::Function<Exp> {
///     static Tensor forward(AutogradContext* ctx, const Tensor& x) {
///       Tensor y = x.exp();
///       ctx->save_for_backward({y});
///       return y;
///     }
///     static variable_list backward(AutogradContext* ctx, variable_list dy) {
///       return {dy[0] * ctx->get_saved_variables()[0]};
///     }
///   };
///   Tensor y = Exp::apply(x);
///
/// `forward` returns a Tensor or a variable_list and runs with recording off. `backward` gets a gradient for every
/// result. It returns one for every argument of forward, for every tensor of a TensorList; undefined for arguments that
/// are no tensors or need no gradient. A tensor argument may be optional. The gradient of a broadcast operand is summed
/// to the operand's shape; any other wrong shape is an Error. Under create_graph backward is recorded, unless T has
/// `static constexpr bool once_differentiable = true`. Backwards of different calls may run at the same time on
/// different threads: what they share needs a lock.
template <class T>
struct Function {
  template <class F = T, class... Args>
  static auto apply(Args&&... args) -> decltype(F::forward(static_cast<AutogradContext*>(nullptr), args...)) {
    using Result = decltype(F::forward(static_cast<AutogradContext*>(nullptr), args...));
    static_assert(std::is_same_v<Result, Tensor> || std::is_same_v<Result, variable_list>,
                  "the forward of a custom function returns a Tensor or a variable_list");
    variable_list operands;
    std::vector<bool> is_tensor;
    (detail::collect_operands(args, is_tensor, operands), ...);
    bool records = false;
    for (const Tensor& x : operands) {
      records = records || (GradMode::is_enabled() && x.defined() && x.requires_grad());
    }
    const auto node = Node::make<FunctionNode<F>>(std::move(is_tensor), operands, records);
    const auto forward = [&] {
      const RecordedForward inner(records);
      return F::forward(&node->context(), std::forward<Args>(args)...);
    };
    if constexpr (std::is_same_v<Result, Tensor>) {
      return node->wrap({forward()}, operands)[0];
    } else {
      return node->wrap(forward(), operands);
    }
  }
};

}  // namespace backflow::autograd
