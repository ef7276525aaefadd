#include <backflow/ops/kernels/elementwise/chain.h>

#include <algorithm>
#include <cstring>

namespace backflow::kernels::detail {
namespace {

/// Bytes of a value in a block: what a kernel reads and writes stays in the first-level cache.
constexpr std::size_t kBlockBytes = std::size_t{4} << 10;
/// Results that get no memory have a place for one block on the stack of each thread: 32 KiB.
constexpr std::size_t kMaxSlots = 8;

constexpr std::size_t kNever = ~std::size_t{0};

bool is_flat(const Tensor& x, std::int64_t numel) { return x.is_contiguous() && x.numel() == numel; }

/// Where the elements of a value are: all of them in memory, or those of one block in a slot.
struct Place {
  std::byte* data = nullptr;      // in memory; null of a value in a slot
  std::byte* streamed = nullptr;  // where a value in a slot is copied to, past the caches
  std::size_t slot = 0;
  std::size_t last_use = kNever;  // the last step that reads or makes it; kNever for what nobody needs
};

}  // namespace

/// What a chain does once it is known who wants which results.
class Chain::Plan {
 public:
  explicit Plan(Chain& chain) : chain_(chain), places_(chain.values_.size()) {
    find_needed();
    for (std::size_t s = 0; s < chain.steps_.size(); ++s) {
      if (places_[chain.steps_[s].result].last_use != kNever) {
        place_result(s);
        release_slots(s);
      }
    }
  }

  void run() const {
    if (bytes_ == 0) {
      return;  // nobody wants anything
    }
    double nanoseconds = kNanosecondsPerByte * static_cast<double>(bytes_) / static_cast<double>(chain_.numel_);
    std::size_t widest = 1;
    for (const Value& value : chain_.values_) {
      widest = std::max(widest, value.width);
    }
    for (const Step& step : chain_.steps_) {
      nanoseconds += places_[step.result].last_use != kNever ? step.nanoseconds : 0;
    }
    // Without slots a single kernel needs no blocks.
    const bool is_whole = chain_.steps_.size() == 1 && !streams_;
    const std::int64_t block = is_whole ? chain_.numel_ : static_cast<std::int64_t>(kBlockBytes / widest);
    for_each_range_of(chain_.numel_, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
      alignas(64) std::byte slots[kMaxSlots * kBlockBytes];
      for (std::int64_t i = begin; i < end; i += block) {
        run_block(static_cast<std::size_t>(i), static_cast<std::size_t>(std::min(block, end - i)), slots);
        if (streams_ && (i + block >= end || i % kElementwiseChunk == 0)) {
          finish_streams();
        }
      }
    });
  }

 private:
  /// A result is needed when somebody besides the chain holds it, or a needed one is made of it.
  void find_needed() {
    for (std::size_t s = chain_.steps_.size(); s-- > 0;) {
      const Step& step = chain_.steps_[s];
      Place& result = places_[step.result];
      if (result.last_use == kNever && chain_.values_[step.result].storage->use_count() > 1) {
        result.last_use = s;
      }
      for (std::size_t k = 0; k < step.num_operands && result.last_use != kNever; ++k) {
        if (step.operands[k] != kOneForAll && places_[step.operands[k]].last_use == kNever) {
          places_[step.operands[k]].last_use = s;
        }
      }
    }
    for (std::size_t v = 0; v < places_.size(); ++v) {
      const Value& value = chain_.values_[v];
      places_[v].data = const_cast<std::byte*>(value.data);
      if (places_[v].last_use != kNever && (value.data != nullptr || value.storage->use_count() > 1)) {
        bytes_ += value.width * static_cast<std::size_t>(chain_.numel_);
      }
    }
  }

  void place_result(std::size_t s) {
    const Index result = chain_.steps_[s].result;
    Place& place = places_[result];
    const Value& value = chain_.values_[result];
    const bool is_wanted = value.storage->use_count() > 1;
    if (is_wanted && give_dying_bytes(s, value)) {
      place.data = value.storage->data();
      return;
    }
    const auto slot = std::find(is_taken_.begin(), is_taken_.end(), false);
    const bool streams = is_wanted && bytes_ >= kStreamBytes;
    if (slot != is_taken_.end() && (!is_wanted || streams)) {
      *slot = true;
      place.slot = static_cast<std::size_t>(slot - is_taken_.begin());
      if (streams) {
        value.storage->give_bytes();
        place.streamed = value.storage->data();
        streams_ = true;
      }
      return;
    }
    value.storage->give_bytes();
    place.data = value.storage->data();
  }

  /// Gives a result the bytes of an operand that nobody needs after this step.
  bool give_dying_bytes(std::size_t s, const Value& result) {
    for (std::size_t v = 0; v < places_.size(); ++v) {
      Value& donor = chain_.values_[v];
      if (donor.data != nullptr && donor.storage && places_[v].last_use <= s && donor.storage->has_sole_owner() &&
          donor.storage->bytes() == result.storage->bytes() && donor.width == result.width &&
          donor.data == donor.storage->data() && !donor.storage->is_exposed()) {
        result.storage->give_bytes(std::move(donor.storage));
        return true;
      }
    }
    return false;
  }

  void release_slots(std::size_t s) {
    const Step& step = chain_.steps_[s];
    const auto release = [&](Index v) {
      if (places_[v].data == nullptr && places_[v].last_use == s) {
        is_taken_[places_[v].slot] = false;
      }
    };
    release(step.result);
    for (std::size_t k = 0; k < step.num_operands; ++k) {
      if (step.operands[k] != kOneForAll) {
        release(step.operands[k]);
      }
    }
  }

  void run_block(std::size_t begin, std::size_t n, std::byte* slots) const {
    const auto at = [&](Index v) {
      const Place& place = places_[v];
      return place.data != nullptr ? place.data + begin * chain_.values_[v].width : slots + place.slot * kBlockBytes;
    };
    for (const Step& step : chain_.steps_) {
      const Place& result = places_[step.result];
      if (result.last_use == kNever) {
        continue;
      }
      std::array<ChainOperand, kMaxOperands> operands;
      for (std::size_t k = 0; k < step.num_operands; ++k) {
        const bool is_one = step.operands[k] == kOneForAll;
        operands[k] = is_one ? ChainOperand{reinterpret_cast<const std::byte*>(&step.numbers[k]), Stride::Zero}
                             : ChainOperand{at(step.operands[k]), Stride::One};
      }
      std::byte* const y = at(step.result);
      step.run(step.f.data(), y, n, operands.data());
      if (result.streamed != nullptr) {
        const std::size_t width = chain_.values_[step.result].width;
        stream_copy(y, result.streamed + begin * width, n * width);
      }
    }
  }

  Chain& chain_;
  std::vector<Place> places_;  // of values
  std::array<bool, kMaxSlots> is_taken_{};
  std::size_t bytes_ = 0;  // that are read or written in memory
  bool streams_ = false;   // results are written past the caches, since all bytes together would leave them anyway
};

Chain& Chain::current() {
  thread_local Chain of_thread;
  return of_thread;
}

/// The result in this chain that x is, or kOneForAll.
Chain::Index Chain::pending(const Tensor& x) const {
  const Storage* const storage = x.impl().storage.get();
  if (storage->is_deferred() && is_flat(x, numel_) && x.storage_offset() == 0) {
    for (std::size_t v = values_.size(); v-- > 0;) {
      if (values_[v].storage.get() == storage && values_[v].width == x.element_size()) {
        return static_cast<Index>(v);
      }
    }
  }
  return kOneForAll;
}

Chain::Index Chain::value_of(const Tensor& x) {
  if (const Index result = pending(x); result != kOneForAll) {
    return result;
  }
  const auto* data = static_cast<const std::byte*>(x.const_data_ptr());
  const auto same = std::find_if(values_.begin(), values_.end(), [&](const Value& v) {
    return v.data == data && v.storage == x.impl().storage && v.width == x.element_size();
  });
  if (same == values_.end()) {
    values_.push_back({x.impl().storage, data, x.element_size()});
    return static_cast<Index>(values_.size() - 1);
  }
  return static_cast<Index>(same - values_.begin());
}

bool Chain::append(const Tensor& y, std::span<const Tensor* const> operands, const ChainKernel& kernel) {
  if (!backflow::detail::deferral().is_open || !y.is_contiguous() || y.impl().storage->bytes() != y.nbytes() ||
      !std::all_of(operands.begin(), operands.end(),
                   [&](const Tensor* x) { return is_flat(*x, y.numel()) || is_one_element(*x); })) {
    return false;
  }
  if (pending(y) != kOneForAll) {
    return false;  // in place: the caller asks for y's bytes, which runs the chain
  }
  if (y.numel() != numel_ || steps_.size() == kMaxKernels) {
    run();
    numel_ = y.numel();
  }
  // Other elements are made first: that may run the chain.
  for (const Tensor* x : operands) {
    if (pending(*x) == kOneForAll) {
      static_cast<void>(x->const_data_ptr());
    }
  }
  numel_ = y.numel();
  steps_.reserve(kMaxKernels);  // so that no step is left half made
  values_.reserve(kMaxKernels * (kMaxOperands + 1));
  Step& step = steps_.emplace_back();
  step.run = kernel.run;
  step.nanoseconds = kernel.nanoseconds;
  std::memcpy(step.f.data(), kernel.f, kernel.f_bytes);
  step.num_operands = operands.size();
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const Tensor& x = *operands[k];
    if (is_flat(x, numel_)) {
      step.operands[k] = value_of(x);
    } else {
      step.operands[k] = kOneForAll;
      std::memcpy(&step.numbers[k], x.const_data_ptr(), x.element_size());
    }
  }
  step.result = static_cast<Index>(values_.size());
  values_.push_back({y.impl().storage, nullptr, y.element_size()});
  backflow::detail::deferral().pending = this;
  return true;
}

void Chain::run() {
  if (steps_.empty()) {
    return;
  }
  backflow::detail::deferral().pending = nullptr;
  const struct Clear {
    Chain& chain;
    ~Clear() {
      chain.steps_.clear();
      chain.values_.clear();
    }
  } clear{*this};
  Plan(*this).run();
}

}  // namespace backflow::kernels::detail
