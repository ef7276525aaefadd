#include <backflow/runtime/engine/gradient_sums.h>

#include <utility>

#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tensor/gradient_ops.h>
#include <backflow/runtime/threads/deferred_work.h>

namespace backflow {

/// A gradient that waits for its turn to be added.
struct GradientSums::Contribution {
  Tensor gradient;
  std::atomic<bool> arrived{false};
};

/// A gradient with several contributions. On several threads they arrive in any order and are added in that of the
/// plan: whoever brings the next one adds it, and after it all that have arrived behind it; others leave theirs and go.
struct GradientSums::Sum {
  Contribution* contributions = nullptr;
  std::uint32_t next = 0;  // the first that has not been added; for the thread that has `adding`
  std::atomic<bool> adding{false};
};

GradientSums::GradientSums(const Plan& plan, const PassNumbers& numbers, bool keeps_parts)
    : plan_(plan), numbers_(numbers), keeps_parts_(keeps_parts), gradients_(plan.inputs().size()) {}

GradientSums::~GradientSums() = default;

void GradientSums::begin_parallel() {
  std::size_t count = 0;
  for (const PlanInput& input : plan_.inputs()) {
    count += input.arrivals > 1 ? input.arrivals : 0;
  }
  contributions_ = std::make_unique<Contribution[]>(count);
  sums_ = IndexedVector<InputIndex, Sum>(plan_.inputs().size());
  count = 0;
  for (const InputIndex i : plan_.inputs().indices()) {
    sums_[i].contributions = &contributions_[count];
    count += plan_.inputs()[i].arrivals > 1 ? plan_.inputs()[i].arrivals : 0;
  }
  for (const InputIndex input : plan_.root_targets()) {
    if (input.is_valid()) {
      ++sums_[input].next;  // in the sum already
    }
  }
}

void GradientSums::hand_on(InputIndex input, std::uint32_t place, Tensor gradient) {
  if (plan_.inputs()[input].arrivals == 1) {
    gradients_[input] = std::move(gradient);
  } else if (!sums_.empty()) {
    hand_on_in_any_order(input, place, std::move(gradient));
  } else {
    add(input, place, std::move(gradient));
  }
}

void GradientSums::hand_on_in_any_order(InputIndex input, std::uint32_t place, Tensor gradient) {
  Sum& sum = sums_[input];
  const std::uint32_t arrivals = plan_.inputs()[input].arrivals;
  run_deferred_work();  // another thread may add it
  sum.contributions[place].gradient = std::move(gradient);
  sum.contributions[place].arrived.store(true);
  std::uint32_t next = 0;
  do {
    // Sequentially consistent, as the store above and the load below: when we find somebody adding he has yet to look
    // whether ours has arrived.
    if (sum.adding.exchange(true)) {
      return;
    }
    for (; sum.next < arrivals && sum.contributions[sum.next].arrived.load(); ++sum.next) {
      add(input, sum.next, std::move(sum.contributions[sum.next].gradient));
    }
    next = sum.next;
    run_deferred_work();  // another thread may add the next one to the sum
    sum.adding.store(false);
  } while (next < arrivals && sum.contributions[next].arrived.load());
}

/// Adds the next contribution, in the order of the plan.
void GradientSums::add(InputIndex input, std::uint32_t place, Tensor gradient) {
  Tensor& total = gradients_[input];
  if (!total.defined()) {
    total = std::move(gradient);
  } else if (gradient.defined()) {
    const SequenceRange range(numbers_.of_sums(plan_.inputs()[input].node) + place);
    // A sum that is deferred takes the memory of its first part when it is computed.
    const bool is_deferred =
        may_defer(total.numel()) && total.scalar_type() != kBFloat16 && !total.impl().storage->may_be_blocked();
    if (!keeps_parts_ && !is_deferred && is_exclusive(total) && !total.impl().storage->is_exposed()) {
      gradient_ops().add_(total, gradient);  // the same sum, without memory that would have to be fetched
    } else {
      total = gradient_ops().add(total, gradient);
    }
  }
}

}  // namespace backflow
