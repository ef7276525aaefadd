#include <backflow/train/data.h>

#include <algorithm>
#include <utility>

#include <backflow/io/idx.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/threads.h>

namespace backflow::train {

std::int64_t Dataset::num_classes() const {
  const auto* first = labels.const_data_ptr<std::int64_t>();
  return size() == 0 ? 0 : *std::max_element(first, first + size()) + 1;
}

DimVector Dataset::sample_shape() const {
  DimVector shape(images.sizes());
  if (shape.size() == 3) {
    shape[0] = 1;
  } else {
    shape.erase(0);
  }
  return shape;
}

Dataset load_dataset(const std::string& images, const std::string& labels) {
  Dataset dataset{io::read_idx(images), to(io::read_idx(labels), kInt64)};
  check(dataset.images.scalar_type() == kUInt8 && dataset.images.dim() >= 2, images, ": holds ",
        describe(dataset.images), ": need samples of unsigned bytes, [n, ...]");
  check(dataset.labels.dim() == 1, labels, ": holds ", describe(dataset.labels),
        ": need one class for each sample, [n]");
  check(dataset.images.size(0) == dataset.labels.size(0), labels, ": ", dataset.labels.size(0), " classes for ",
        dataset.images.size(0), " samples in ", images, ": need one for each");
  check(dataset.size() > 0, images, ": no samples: need at least one");
  return dataset;
}

BatchMaker::BatchMaker(Dataset dataset, const DataOptions& options, ScalarType dtype)
    : dataset_(std::move(dataset)), dtype_(dtype), value_of_(256) {
  for (std::size_t byte = 0; byte < value_of_.size(); ++byte) {
    value_of_[byte] = (static_cast<double>(byte) / 255 - options.mean) / options.std;
  }
}

Batch BatchMaker::make(const std::vector<std::int64_t>& indices) const {
  const auto n = static_cast<std::int64_t>(indices.size());
  DimVector shape = dataset_.sample_shape();
  shape.insert(0, n);
  const Batch batch{empty_tensor(shape, dtype_), empty_tensor({n}, kInt64)};
  const std::int64_t length = n == 0 ? 0 : batch.x.numel() / n;
  dispatch_floating(dtype_, "data", [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> value_of(value_of_.begin(), value_of_.end());
    constexpr std::int64_t kSamples = 64;  // of one chunk
    parallel_for((n + kSamples - 1) / kSamples, [&](std::int64_t chunk) {
      for (std::int64_t i = chunk * kSamples; i < std::min(n, (chunk + 1) * kSamples); ++i) {
        const std::int64_t index = indices[static_cast<std::size_t>(i)];
        const auto* from = dataset_.images.const_data_ptr<std::uint8_t>() + index * length;
        std::transform(from, from + length, batch.x.mutable_data_ptr<T>() + i * length,
                       [&](std::uint8_t byte) { return value_of[byte]; });
        batch.target.mutable_data_ptr<std::int64_t>()[i] = dataset_.labels.mutable_data_ptr<std::int64_t>()[index];
      }
    });
  });
  return batch;
}

}  // namespace backflow::train
