#include <backflow/train/data/batch_maker.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/train/data/augmentation.h>

namespace backflow::train {
namespace {

constexpr double kNanosecondsPerNumber = 0.5;

/// Where the numbers of one channel or feature lie in a sample: all numbers, in `groups` of `length` in turn.
struct Groups {
  std::int64_t groups = 1;
  std::int64_t length = 1;
  /// The next one in turn; without a division, which would take longer than a number of a table.
  std::int64_t after(std::int64_t group) const { return group + 1 < groups ? group + 1 : 0; }
};

Groups groups_of(const DataInfo& info, const Normalization& normalization) {
  const std::int64_t numbers = numel_of(info.sample_shape);
  const auto n = static_cast<std::int64_t>(normalization.means.size());
  if (n == 1) {
    return {1, numbers};
  }
  check(!info.sample_shape.empty() && info.sample_shape[0] == n, "data: ", n, " means for samples of shape ",
        info.sample_shape, ": need one, or one for each channel or feature, the first size");
  return {n, numbers / n};
}

/// What a stored number is before normalization: bytes are scaled to [0, 1].
template <class Stored>
double number_of(Stored x) {
  return static_cast<double>(x);
}
template <>
double number_of(std::uint8_t x) {
  return static_cast<double>(x) / 255;
}

template <class Stored, class T>
void normalize(const Stored* from, T* to, std::int64_t length, double mean, double std) {
  std::transform(from, from + length, to, [&](Stored x) { return static_cast<T>((number_of(x) - mean) / std); });
}

/// A table for bytes: most of the time goes into divisions otherwise.
template <class T>
struct ByteTable {
  std::array<T, 256> value_of;
  ByteTable(double mean, double std) {
    for (std::size_t byte = 0; byte < value_of.size(); ++byte) {
      value_of[byte] = static_cast<T>((number_of(static_cast<std::uint8_t>(byte)) - mean) / std);
    }
  }
};

/// In blocks, which the compiler unrolls: 25 instead of 35 us for 100,000 bytes.
template <class T>
void look_up(const std::uint8_t* from, T* to, std::int64_t length, const std::array<T, 256>& table) {
  constexpr std::int64_t kBlock = 8;
  std::int64_t i = 0;
  for (; i + kBlock <= length; i += kBlock) {
    for (std::int64_t k = i; k < i + kBlock; ++k) {
      to[k] = table[from[k]];
    }
  }
  for (; i < length; ++i) {
    to[i] = table[from[i]];
  }
}

template <class T>
void normalize_bytes(const Tensor& raw, const Groups& groups, const Normalization& by, Tensor& x) {
  std::vector<ByteTable<T>> tables;
  for (std::size_t g = 0; g < by.means.size(); ++g) {
    tables.emplace_back(by.means[g], by.stds[g]);
  }
  const std::int64_t n = raw.size(0) * groups.groups;
  const auto* from = raw.const_data_ptr<std::uint8_t>();
  T* to = x.mutable_data_ptr<T>();
  parallel_ranges(n, kNanosecondsPerNumber * static_cast<double>(raw.numel()), [&](std::int64_t i, std::int64_t end) {
    for (std::int64_t g = i % groups.groups; i < end; ++i, g = groups.after(g)) {
      const auto& table = tables[static_cast<std::size_t>(g)].value_of;
      const std::int64_t at = i * groups.length;
      look_up(from + at, to + at, groups.length, table);
    }
  });
}

/// Samples [features], each feature by numbers of its own.
template <class Stored, class T>
void normalize_features(const Tensor& raw, const Normalization& by, Tensor& x) {
  const auto features = static_cast<std::int64_t>(by.means.size());
  const double* const means = by.means.data();
  const double* const stds = by.stds.data();
  parallel_ranges(raw.size(0), kNanosecondsPerNumber * static_cast<double>(raw.numel()),
                  [&](std::int64_t i, std::int64_t end) {
                    const Stored* from = raw.const_data_ptr<Stored>() + i * features;
                    T* to = x.mutable_data_ptr<T>() + i * features;
                    for (; i < end; ++i, from += features, to += features) {
                      for (std::int64_t k = 0; k < features; ++k) {
                        to[k] = static_cast<T>((number_of(from[k]) - means[k]) / stds[k]);
                      }
                    }
                  });
}

template <class Stored, class T>
void normalize_numbers(const Tensor& raw, const Groups& groups, const Normalization& by, Tensor& x) {
  const std::int64_t n = raw.size(0) * groups.groups;
  const Stored* from = raw.const_data_ptr<Stored>();
  T* to = x.mutable_data_ptr<T>();
  parallel_ranges(n, kNanosecondsPerNumber * static_cast<double>(raw.numel()), [&](std::int64_t i, std::int64_t end) {
    for (std::int64_t g = i % groups.groups; i < end; ++i, g = groups.after(g)) {
      const auto group = static_cast<std::size_t>(g);
      const std::int64_t at = i * groups.length;
      normalize(from + at, to + at, groups.length, by.means[group], by.stds[group]);
    }
  });
}

/// Samples of the run's dtype.
Tensor normalized(const Tensor& raw, const DataInfo& info, const Normalization& by) {
  DimVector shape(info.sample_shape);
  shape.insert(0, raw.size(0));
  Tensor x = empty_tensor(shape, info.sample_dtype);
  const Groups groups = groups_of(info, by);
  dispatch_floating(info.sample_dtype, "data", [&](auto zero) {
    using T = decltype(zero);
    if (raw.scalar_type() == kUInt8) {
      normalize_bytes<T>(raw, groups, by, x);
    } else {
      dispatch_numeric(raw.scalar_type(), "data", [&](auto stored) {
        groups.length == 1 ? normalize_features<decltype(stored), T>(raw, by, x)
                           : normalize_numbers<decltype(stored), T>(raw, groups, by, x);
      });
    }
  });
  return x;
}

/// share x + (1 - share) y, by rows.
Tensor mixed(const Tensor& x, const Tensor& y, const std::vector<double>& shares) {
  Tensor result = empty_tensor(x.sizes(), x.scalar_type());
  const auto n = static_cast<std::int64_t>(shares.size());
  const std::int64_t length = n == 0 ? 0 : x.numel() / n;
  dispatch_floating(x.scalar_type(), "data", [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < n; ++i) {
      const double share = shares[static_cast<std::size_t>(i)];
      const T* a = x.const_data_ptr<T>() + i * length;
      const T* b = y.const_data_ptr<T>() + i * length;
      std::transform(a, a + length, b, result.mutable_data_ptr<T>() + i * length, [share](T p, T q) {
        return static_cast<T>(share * static_cast<double>(p) + (1 - share) * static_cast<double>(q));
      });
    }
  });
  return result;
}

/// Whether samples come in runs of a block, from a multiple of its size on; the last run may be shorter.
bool has_whole_blocks(const std::vector<std::int64_t>& samples, std::int64_t block) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::int64_t place = static_cast<std::int64_t>(i) % block;
    if (samples[i] % block != place || (place > 0 && samples[i] != samples[i - 1] + 1)) {
      return false;
    }
  }
  return true;
}

}  // namespace

BatchMaker::BatchMaker(std::shared_ptr<const SampleSource> source, BatchOptions options,
                       std::shared_ptr<const std::vector<std::int64_t>> subset)
    : source_(std::move(source)),
      options_(std::move(options)),
      subset_(std::move(subset)),
      info_(source_->info()),
      block_(subset_ && !has_whole_blocks(*subset_, source_->block()) ? 1 : source_->block()) {
  if (info_.target != TargetKind::Tokens) {
    info_.sample_dtype = options_.dtype;
    groups_of(info_, options_.normalization);
  }
}

std::int64_t BatchMaker::size() const { return subset_ ? static_cast<std::int64_t>(subset_->size()) : source_->size(); }

std::int64_t BatchMaker::source_index(std::int64_t index) const {
  return subset_ ? (*subset_)[static_cast<std::size_t>(index)] : index;
}

std::string BatchMaker::description() const {
  return (subset_ ? to_text(size(), " of ") : "") + source_->description();
}

Tensor BatchMaker::samples(const RawBatch& raw, const std::vector<std::int64_t>& indices, std::int64_t epoch,
                           Tensor& clean) const {
  Tensor x = normalized(raw.samples, info_, options_.normalization);
  const Augmentation* const augmentation = options_.augmentation.get();
  if (augmentation == nullptr) {
    return x;
  }
  const bool keeps_clean = info_.target == TargetKind::Input && augmentation->disturbs();
  clean = keeps_clean ? empty_tensor(x.sizes(), x.scalar_type()) : Tensor();
  const auto n = static_cast<std::int64_t>(indices.size());
  const std::int64_t length = n == 0 ? 0 : x.numel() / n;
  constexpr double kNanosecondsPerChange = 20;
  dispatch_floating(info_.sample_dtype, "data", [&](auto zero) {
    using T = decltype(zero);
    parallel_ranges(n, kNanosecondsPerChange * static_cast<double>(n * length), [&](std::int64_t i, std::int64_t end) {
      std::vector<double> sample(static_cast<std::size_t>(length));
      for (; i < end; ++i) {
        const std::int64_t number = indices[static_cast<std::size_t>(i)];
        T* const at = x.mutable_data_ptr<T>() + i * length;
        std::copy_n(at, length, sample.begin());
        augmentation->change_place(sample.data(), number, epoch);
        if (keeps_clean) {
          std::transform(sample.begin(), sample.end(), clean.mutable_data_ptr<T>() + i * length,
                         [](double value) { return static_cast<T>(value); });
        }
        augmentation->disturb(sample.data(), number, epoch);
        std::transform(sample.begin(), sample.end(), at, [](double value) { return static_cast<T>(value); });
      }
    });
  });
  return x;
}

Batch BatchMaker::make_unmixed(const std::vector<std::int64_t>& indices, std::int64_t epoch) const {
  std::vector<std::int64_t> numbers(indices.size());
  std::transform(indices.begin(), indices.end(), numbers.begin(), [this](std::int64_t i) { return source_index(i); });
  const RawBatch raw = source_->read(numbers);
  if (info_.target == TargetKind::Tokens) {
    return {raw.samples, raw.targets, {}};
  }
  Tensor clean;
  Tensor x = samples(raw, indices, epoch, clean);
  if (info_.target == TargetKind::Input) {
    return {x, clean.defined() ? clean : x, {}};
  }
  const bool is_number = info_.target != TargetKind::Class;
  return {std::move(x), is_number ? to(raw.targets, info_.sample_dtype) : raw.targets, {}};
}

Batch BatchMaker::make(const std::vector<std::int64_t>& indices, std::int64_t epoch) const {
  const NoGradGuard no_grad;
  Batch batch = make_unmixed(indices, epoch);
  if (options_.augmentation && options_.augmentation->mixes()) {
    mix(batch, indices, epoch);
  }
  return batch;
}

void BatchMaker::mix(Batch& batch, const std::vector<std::int64_t>& indices, std::int64_t epoch) const {
  std::vector<std::int64_t> partners;
  std::vector<double> shares;
  for (const std::int64_t index : indices) {
    const Augmentation::Mixture mixture = options_.augmentation->mixture(index, epoch, size(), block());
    partners.push_back(mixture.partner);
    shares.push_back(mixture.share);
  }
  const bool same = batch.target.is_same(batch.x);
  const Batch other = make_unmixed(partners, epoch);
  batch.x = mixed(batch.x, other.x, shares);
  if (info_.target == TargetKind::Class) {
    batch.target = mixed(one_hot_rows(batch.target), one_hot_rows(other.target), shares);
  } else {
    batch.target = same ? batch.x : mixed(batch.target, other.target, shares);
  }
}

/// Classes [n] as probabilities [n, classes].
Tensor BatchMaker::one_hot_rows(const Tensor& classes) const {
  const std::int64_t n = classes.size(0);
  Tensor rows = empty_tensor({n, info_.classes}, info_.sample_dtype);
  dispatch_floating(info_.sample_dtype, "data", [&](auto zero) {
    auto* const row = rows.mutable_data_ptr<decltype(zero)>();
    std::fill_n(row, rows.numel(), zero);
    for (std::int64_t i = 0; i < n; ++i) {
      row[i * info_.classes + classes.const_data_ptr<std::int64_t>()[i]] = 1;
    }
  });
  return rows;
}

}  // namespace backflow::train
