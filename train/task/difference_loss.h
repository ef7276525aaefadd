#pragma once

#include <functional>

#include <backflow/runtime/tensor/tensor.h>
#include <backflow/train/data/data_info.h>
#include <backflow/train/task/task_options.h>

namespace backflow::train {

/// A loss of two tensors of one shape, with a reduction: None or Sum.
using ElementLoss = std::function<Tensor(const Tensor& output, const Tensor& target, std::int64_t reduction)>;

/// "mse", "l1", "huber" or "bce", the last of logits.
ElementLoss element_loss(const TaskOptions& options, const std::string& name);

/// The sum over the samples of a batch of their losses, each a mean over the sample's elements. `target` is brought to
/// the shape of the output if it has as many elements. Throws Error otherwise.
Tensor sum_over_samples(const ElementLoss& loss, const Tensor& output, const Tensor& target, const Tensor& weight);

/// `target` in the shape of `output`, and in its dtype. Throws Error for another number of elements.
Tensor fitted_target(const Tensor& output, const Tensor& target);

}  // namespace backflow::train
