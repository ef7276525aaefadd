// Learning-rate schedules that are formulas of the step: the values of PyTorch 1.13, to 12 digits.
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/nn/optim/schedulers/chained_scheduler.h>
#include <backflow/nn/optim/schedulers/constant_lr.h>
#include <backflow/nn/optim/schedulers/cosine_annealing_lr.h>
#include <backflow/nn/optim/schedulers/cosine_annealing_warm_restarts.h>
#include <backflow/nn/optim/schedulers/cyclic_lr.h>
#include <backflow/nn/optim/schedulers/exponential_lr.h>
#include <backflow/nn/optim/schedulers/lambda_lr.h>
#include <backflow/nn/optim/schedulers/linear_lr.h>
#include <backflow/nn/optim/schedulers/multi_step_lr.h>
#include <backflow/nn/optim/schedulers/one_cycle_lr.h>
#include <backflow/nn/optim/schedulers/polynomial_lr.h>
#include <backflow/nn/optim/schedulers/sequential_lr.h>
#include <backflow/tests/catch2.h>

using namespace backflow::optim;
using backflow::Tensor;
using Lrs = std::vector<double>;

namespace {

/// Two groups with learning rates 1 and 0.5.
std::unique_ptr<SGD> two_groups() {
  std::vector<OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<Tensor>{backflow::zeros(1).requires_grad_()});
  groups.emplace_back(std::vector<Tensor>{backflow::zeros(1).requires_grad_()},
                      std::make_unique<SGDOptions>(SGDOptions(0.5).momentum(0.9)));
  return std::make_unique<SGD>(std::move(groups), SGDOptions(1.0).momentum(0.9));
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-11 * std::max(1.0, std::abs(b)); }

bool near(const Lrs& a, const Lrs& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) { return near(x, y); });
}

using Make = std::function<std::unique_ptr<ClosedFormLR>(Optimizer&)>;

/// The first group's learning rates at each step are `first`, the second's at the last is `second`; so they are after
/// go_to(), and of a schedule that is made when another has changed them.
void check_lrs(const Make& make, const Lrs& first, double second, const Lrs& momentum = {}) {
  const auto sgd = two_groups();
  const auto schedule = make(*sgd);
  Lrs lrs;
  Lrs momenta;
  for (std::size_t t = 0; t < first.size(); ++t) {
    if (t > 0) {
      schedule->step();
    }
    lrs.push_back(sgd->param_groups()[0].options().get_lr());
    momenta.push_back(*momentum_of(sgd->param_groups()[0].options()));
  }
  CAPTURE(lrs, momenta);
  CHECK(near(lrs, first));
  CHECK(near(sgd->param_groups()[1].options().get_lr(), second));
  CHECK((momentum.empty() || near(momenta, momentum)));
  CHECK(schedule->last_epoch() == std::ssize(first) - 1);
  const auto other = make(*sgd);
  other->go_to(std::ssize(first) - 2);
  CHECK(sgd->param_groups()[0].options().get_lr() == lrs[lrs.size() - 2]);
}

template <class Schedule, class... Args>
Make make(Args... args) {
  return [=](Optimizer& o) { return std::make_unique<Schedule>(o, args...); };
}

}  // namespace

TEST_CASE("lr schedules: factors of the step, as PyTorch", "[nn]") {
  check_lrs(make<LambdaLR>([](std::int64_t t) { return 1 / (1 + static_cast<double>(t)); }),
            {1, 0.5, 0.333333333333, 0.25, 0.2, 0.166666666667}, 0.0833333333333);
  check_lrs(make<MultiStepLR>(std::vector<std::int64_t>{5, 2, 5}, 0.5), {1, 1, 0.5, 0.5, 0.5, 0.125, 0.125, 0.125},
            0.0625);
  check_lrs(make<ConstantLR>(0.25, 3), {0.25, 0.25, 0.25, 1, 1, 1}, 0.5);
  check_lrs(make<LinearLR>(0.25, 0.75, 4), {0.25, 0.375, 0.5, 0.625, 0.75, 0.75, 0.75}, 0.375);
  check_lrs(make<ExponentialLR>(0.9), {1, 0.9, 0.81, 0.729, 0.6561, 0.59049}, 0.295245);
  check_lrs(make<PolynomialLR>(5, 2.0), {1, 0.64, 0.36, 0.16, 0.04, 0, 0, 0}, 0);
}

TEST_CASE("lr schedules: cosines, as PyTorch", "[nn]") {
  check_lrs(make<CosineAnnealingLR>(5, 0.1),
            {1, 0.914057647469, 0.689057647469, 0.410942352531, 0.185942352531, 0.1, 0.185942352531, 0.410942352531,
             0.689057647469},
            0.361803398875);
  check_lrs(make<CosineAnnealingWarmRestarts>(2, 2, 0.1),
            {1, 0.55, 1, 0.868198051534, 0.55, 0.231801948466, 1, 0.96574578963, 0.868198051534, 0.722207544564},
            0.376536686473);
}

TEST_CASE("lr schedules: cycles, with momentum, as PyTorch", "[nn]") {
  const Lrs peaks = {2, 1};
  check_lrs(make<OneCycleLR>(peaks, 10),
            {0.08, 1.04, 2, 1.90096926403, 1.6234913079, 1.22252404387, 0.777483956127, 0.3765166921, 0.0990387359731,
             8e-06, 0.0990387359731},
            0.0495193679865,
            {0.95, 0.9, 0.85, 0.854951556605, 0.868825509907, 0.888873953302, 0.911126046698, 0.931174490093,
             0.945048443395, 0.95, 0.945048443395});
  OneCycleLROptions three;
  three.three_phase = three.linear = true;
  three.pct_start = 0.4;
  three.div_factor = 4;
  three.final_div_factor = 10;
  three.base_momentum = 0.5;
  three.max_momentum = 0.75;
  check_lrs(make<OneCycleLR>(peaks, 10, three), {0.5, 1, 1.5, 2, 1.5, 1, 0.5, 0.35, 0.2, 0.05, -0.1}, -0.05,
            {0.75, 0.666666666667, 0.583333333333, 0.5, 0.583333333333, 0.666666666667, 0.75, 0.75, 0.75, 0.75, 0.75});
  CyclicLROptions triangles;
  triangles.step_size_up = 2;
  triangles.step_size_down = 3;
  triangles.mode = CyclicLROptions::Mode::Triangular2;
  check_lrs(make<CyclicLR>(0.1, 0.5, triangles),
            {0.1, 0.3, 0.5, 0.366666666667, 0.233333333333, 0.1, 0.2, 0.3, 0.233333333333, 0.166666666667, 0.1}, 0.1,
            {0.9, 0.85, 0.8, 0.833333333333, 0.866666666667, 0.9, 0.875, 0.85, 0.866666666667, 0.883333333333, 0.9});
  CyclicLROptions range;
  range.step_size_up = 2;
  range.mode = CyclicLROptions::Mode::ExpRange;
  range.gamma = 0.9;
  check_lrs(make<CyclicLR>(0.1, 0.5, range), {0.1, 0.28, 0.424, 0.2458, 0.1, 0.218098, 0.3125764}, 0.3125764,
            {0.9, 0.855, 0.819, 0.86355, 0.9, 0.8704755, 0.8468559});
}

TEST_CASE("lr schedules: several, in turn or at once, as PyTorch", "[nn]") {
  check_lrs(
      [](Optimizer& o) {
        const SequentialLR::Schedulers parts = {std::make_shared<LinearLR>(o, 0.5, 1.0, 3),
                                                std::make_shared<CosineAnnealingLR>(o, 4),
                                                std::make_shared<ExponentialLR>(o, 0.5)};
        return std::make_unique<SequentialLR>(o, parts, std::vector<std::int64_t>{3, 7});
      },
      {0.5, 0.666666666667, 0.833333333333, 1, 0.853553390593, 0.5, 0.146446609407, 1, 0.5, 0.25, 0.125}, 0.0625);
  check_lrs(
      [](Optimizer& o) {
        const ChainedScheduler::Schedulers parts = {std::make_shared<ConstantLR>(o, 0.5, 3),
                                                    std::make_shared<ExponentialLR>(o, 0.9)};
        return std::make_unique<ChainedScheduler>(o, parts);
      },
      {0.5, 0.45, 0.405, 0.729, 0.6561, 0.59049}, 0.295245);
}

TEST_CASE("lr schedules: mistakes are errors", "[nn]") {
  const auto sgd = two_groups();
  Adagrad adagrad(std::vector<Tensor>{backflow::zeros(1).requires_grad_()});
  CHECK_THROWS_WITH(LinearLR(*sgd, 0.0), Equals("linear_lr: start_factor 0: need a number in (0, 1]"));
  CHECK_THROWS_WITH(CosineAnnealingLR(*sgd, 0), Equals("cosine_annealing_lr: T_max 0: need a number >= 1"));
  CHECK_THROWS_WITH(OneCycleLR(*sgd, {1, 2, 3}, 10),
                    Equals("one_cycle_lr: 3 peaks for 2 groups: need one, or one for each"));
  CHECK_THROWS_WITH(OneCycleLR(adagrad, {1}, 10), StartsWith("lr_scheduler: an optimizer without momentum"));
  CHECK_THROWS_WITH(OneCycleLR(*sgd, {1}, 10).go_to(11), StartsWith("one_cycle_lr: step 11 of a cycle of 10"));
  CHECK_THROWS_WITH(SequentialLR(*sgd, {std::make_shared<ExponentialLR>(*sgd, 0.5)}, {1}),
                    StartsWith("sequential_lr: 1 milestones for 1 schedules"));
}
