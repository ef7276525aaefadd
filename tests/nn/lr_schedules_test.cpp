// Learning-rate schedules: those of PyTorch 1.13, step by step.
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

using namespace backflow::optim;
using backflow::Tensor;
using Plateau = ReduceLROnPlateauScheduler;
using Lrs = std::vector<double>;

namespace {

/// Two groups with learning rates 1 and 0.5.
SGD two_groups() {
  std::vector<OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<Tensor>{backflow::zeros(1).requires_grad_()});
  groups.emplace_back(std::vector<Tensor>{backflow::zeros(1).requires_grad_()}, std::make_unique<SGDOptions>(0.5));
  return {groups, 1.0};
}

double lr(const Optimizer& optimizer, std::size_t group) { return optimizer.param_groups()[group].options().get_lr(); }

/// The first group's learning rate after each step, and the second's after the last.
Lrs run(Optimizer& optimizer, Plateau& schedule) {
  Lrs lrs;
  for (const float metric : {1.0F, 0.9F, 0.9F, 0.95F, 0.9F, 0.91F, 0.5F, 0.6F, 0.6F, 0.6F, 0.6F, 0.6F}) {
    schedule.step(metric);
    lrs.push_back(lr(optimizer, 0));
  }
  lrs.push_back(lr(optimizer, 1));
  return lrs;
}

}  // namespace

TEST_CASE("step_lr: all groups decay every few steps", "[nn]") {
  SGD sgd = two_groups();
  StepLR schedule(sgd, 2, 0.5);
  Lrs lrs;
  for (int i = 0; i < 6; ++i) {
    schedule.step();
    lrs.push_back(lr(sgd, 0));
  }
  CHECK(lrs == Lrs{1, 1, 0.5, 0.5, 0.25, 0.25});
  CHECK(lr(sgd, 1) == 0.125);
  sgd.add_param_group(std::vector<Tensor>{backflow::zeros(1).requires_grad_()});
  schedule.step();
  CHECK(lr(sgd, 2) == 0.5);
  CHECK_THROWS_WITH(StepLR(sgd, 0), Equals("step_lr: step_size 0: need a number >= 1"));
}

TEST_CASE("reduce_lr_on_plateau: as PyTorch", "[nn]") {
  SGD sgd = two_groups();
  Plateau schedule(sgd, Plateau::min, 0.5, 1);
  CHECK(run(sgd, schedule) == Lrs{1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.03125});
}

TEST_CASE("reduce_lr_on_plateau: a metric that is to grow, and a cooldown", "[nn]") {
  SGD sgd = two_groups();
  Plateau schedule(sgd, Plateau::max, 0.5, 1, 0.05, Plateau::rel, 2);
  CHECK(run(sgd, schedule) == Lrs{1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125, 0.0625});
}

TEST_CASE("reduce_lr_on_plateau: an absolute threshold, and lower bounds", "[nn]") {
  SGD sgd = two_groups();
  Plateau schedule(sgd, Plateau::min, 0.25, 0, 0.05, Plateau::abs, 0, {0.0625F, 0.0078125F});
  Lrs expected(13, 0.0625);
  expected[0] = expected[1] = 1;
  expected[2] = 0.25;
  expected.back() = 0.0078125;
  CHECK(run(sgd, schedule) == expected);
}

TEST_CASE("reduce_lr_on_plateau: mistakes are errors", "[nn]") {
  SGD sgd = two_groups();
  CHECK_THROWS_WITH(Plateau(sgd, Plateau::min, 1), Equals("reduce_lr_on_plateau: factor 1: need a number in [0, 1)"));
  CHECK_THROWS_WITH(Plateau(sgd, Plateau::min, 0.5, -1),
                    Equals("reduce_lr_on_plateau: patience -1 and cooldown 0: need numbers >= 0"));
  CHECK_THROWS_WITH(Plateau(sgd, Plateau::min, 0.5, 1, 0, Plateau::rel, 0, {0, 0, 0}),
                    Equals("reduce_lr_on_plateau: 3 lower bounds for 2 groups: need one, or one for each"));
}
