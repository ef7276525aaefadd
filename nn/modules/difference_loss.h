#pragma once

#include <backflow/nn/modules/loss_module.h>

namespace backflow::nn {

/// The absolute error |x - t| of two tensors of one shape.
class L1LossImpl : public detail::LossModule<L1LossOptions, functional::l1_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(L1Loss);

/// The squared error (x - t)^2 of two tensors of one shape.
class MSELossImpl : public detail::LossModule<MSELossOptions, functional::mse_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(MSELoss);

/// The absolute error, squared where it is below `beta`, of two tensors of one shape.
class SmoothL1LossImpl : public detail::LossModule<SmoothL1LossOptions, functional::smooth_l1_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(SmoothL1Loss);

/// The squared error, linear where it is above `delta`, of two tensors of one shape.
class HuberLossImpl : public detail::LossModule<HuberLossOptions, functional::huber_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(HuberLoss);

}  // namespace backflow::nn
