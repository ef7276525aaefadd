#pragma once

/// Everything that a program which trains needs: `#include <backflow/backflow.h>`, and for code written for libtorch
/// `namespace torch = backflow;`.

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/multi_grad_hook.h>
#include <backflow/runtime/engine/parallel.h>
#include <backflow/runtime/tape/anomaly.h>
#include <backflow/runtime/tape/custom_function.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/hooks.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/tape/saved_tensor.h>
#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/ops/autograd/checkpoint.h>
#include <backflow/ops/autograd/functional.h>
#include <backflow/ops/autograd/gradcheck.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/dropout.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/elementwise/comparison.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/indexing/tensor_index.h>
#include <backflow/ops/kernel_counts.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/winograd.h>

#include <backflow/nn/functional.h>
#include <backflow/nn/init.h>
#include <backflow/nn/models.h>
#include <backflow/nn/module.h>
#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/branches.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/distance.h>
#include <backflow/nn/modules/dropout.h>
#include <backflow/nn/modules/embedding.h>
#include <backflow/nn/modules/embedding_bag.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/modules/loss.h>
#include <backflow/nn/modules/normalization.h>
#include <backflow/nn/modules/padding.h>
#include <backflow/nn/modules/pixelshuffle.h>
#include <backflow/nn/modules/pooling.h>
#include <backflow/nn/modules/unpooling.h>
#include <backflow/nn/modules/upsampling.h>
#include <backflow/nn/optim/adagrad.h>
#include <backflow/nn/optim/adam.h>
#include <backflow/nn/optim/adamw.h>
#include <backflow/nn/optim/optimizer.h>
#include <backflow/nn/optim/rmsprop.h>
#include <backflow/nn/optim/schedulers/lr_scheduler.h>
#include <backflow/nn/optim/schedulers/reduce_on_plateau_scheduler.h>
#include <backflow/nn/optim/schedulers/step_lr.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/nn/utils/clip_grad.h>

#include <backflow/serialize/serialize.h>

// What was not built is not installed.
#if __has_include(<backflow/distributed/data_parallel.h>)
#include <backflow/distributed/communicator.h>
#include <backflow/distributed/data_parallel.h>
#include <backflow/distributed/sampler.h>
#include <backflow/distributed/sharded_step.h>
#include <backflow/distributed/training_step.h>
#endif
#if __has_include(<backflow/io/dump.h>)
#include <backflow/io/datasets/idx.h>
#include <backflow/io/dump.h>
#endif
