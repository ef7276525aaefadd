#pragma once

// What both directions of the normalization of channels share.

#include <algorithm>
#include <vector>

#include <backflow/ops/kernels/normalization/normalize.h>
#include <backflow/ops/kernels/normalization/normalize_plan.h>

namespace backflow::kernels {

using RunPlace = NormPlan::RunPlace;

/// Two numbers of each run and each of its channels.
class RunSums {
 public:
  explicit RunSums(const NormPlan& plan)
      : block_(plan.blocks().block),
        numbers_(empty_tensor({plan.runs(), 2 * block_ + 1}, kFloat64)),
        data_(numbers_.mutable_data_ptr<double>()) {}
  double* first(std::int64_t run) { return data_ + run * (2 * block_ + 1); }
  double* second(std::int64_t run) { return first(run) + block_; }
  /// How many numbers of a channel the run has.
  double& count(std::int64_t run) { return second(run)[block_]; }

 private:
  std::int64_t block_;
  Tensor numbers_;
  double* data_;
};

/// Room for the loops, on the stack for blocks of usual size.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::size_t block) {
    if (3 * block > kOnStack) {
      heap_.resize(3 * block);
    }
  }
  T* data() { return heap_.empty() ? stack_ : heap_.data(); }

 private:
  static constexpr std::size_t kOnStack = 192;
  alignas(64) T stack_[kOnStack];
  std::vector<T> heap_;
};

/// One walk over x and perhaps dy: what both directions share.
template <class T>
class Walker {
 public:
  Walker(const Blocked& x, const Normalization& how_, std::int64_t coefficients)
      : how(how_),
        plan(x.blocks, how_.groups != 0, sizeof(T)),
        b(plan.blocks()),
        from(x.elements.const_data_ptr<T>()),
        w_(how_.w.defined() ? how_.w.template const_data_ptr<T>() : nullptr),
        b_(how_.b.defined() ? how_.b.template const_data_ptr<T>() : nullptr),
        runs_of_block_(how_.groups == 0 ? plan.runs_of_group() : plan.runs_of_group() / b.blocks()),
        all_(empty_tensor({coefficients, samples(), b.padded_channels()}, x.elements.scalar_type())),
        coefficients_(all_.mutable_data_ptr<T>()) {
    std::fill_n(coefficients_, all_.numel(), T{0});
  }

 protected:
  std::int64_t samples() const { return how.groups == 0 ? 1 : b.batch; }
  /// Coefficient number k of a channel (of a sample); all are zero for the channels that fill up the last block.
  T* coefficient(std::int64_t k, std::int64_t sample, std::int64_t channel) const {
    return coefficients_ + (k * samples() + (how.groups == 0 ? 0 : sample)) * b.padded_channels() + channel;
  }
  T* coefficient(std::int64_t k, const RunPlace& place) const {
    return coefficient(k, place.sample, place.block * b.block);
  }
  NormParameters<T> parameters(std::int64_t first) const {
    return {w_ == nullptr ? nullptr : w_ + first, b_ == nullptr ? nullptr : b_ + first, how.eps};
  }
  double weight(std::int64_t c) const { return w_ == nullptr ? 1.0 : static_cast<double>(w_[c]); }
  double bias(std::int64_t c) const { return b_ == nullptr ? 0.0 : static_cast<double>(b_[c]); }

  /// Calls f(set, first channel, end, sample) for the sets of group g of the plan; the sample is 0 for a whole batch.
  template <class F>
  void for_each_set(std::int64_t g, const F& f) const {
    if (how.groups == 0) {
      for (std::int64_t c = g * b.block; c < std::min(b.channels, (g + 1) * b.block); ++c) {
        f(c, c, c + 1, std::int64_t{0});
      }
      return;
    }
    const std::int64_t width = b.channels / how.groups;
    for (std::int64_t s = 0; s < how.groups; ++s) {
      f(g * how.groups + s, s * width, (s + 1) * width, g);
    }
  }
  /// Calls f(c, first run that has c, index of c in it) for the channels [first, end) of group g of the plan; the runs
  /// with a channel are `runs_of_block` in a row.
  template <class F>
  void for_channels(std::int64_t g, std::int64_t first, std::int64_t end, const F& f) const {
    const std::int64_t block = how.groups == 0 ? 0 : first / b.block;
    std::int64_t run = g * plan.runs_of_group() + block * runs_of_block_;
    std::int64_t j = how.groups == 0 ? first - g * b.block : first - block * b.block;
    for (std::int64_t c = first; c < end; ++c) {
      f(c, run, j);
      if (++j == b.block) {
        j = 0;
        run += runs_of_block_;
      }
    }
  }
  std::int64_t runs_of_block() const { return runs_of_block_; }

  const Normalization& how;
  NormPlan plan;
  ChannelBlocks b;
  const T* from;

 private:
  const T* w_;
  const T* b_;
  std::int64_t runs_of_block_;
  Tensor all_;
  T* coefficients_;
};

}  // namespace backflow::kernels
