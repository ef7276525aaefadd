#include <backflow/train/data/sample_source.h>

#include <cstring>
#include <utility>

#include <backflow/runtime/threads/cuts.h>
#include <backflow/train/run/digest.h>

namespace backflow::train {
namespace {

constexpr double kNanosecondsPerByte = 0.1;

}  // namespace

Tensor rows_of(const Tensor& from, std::span<const std::int64_t> indices) {
  DimVector sizes(from.sizes());
  const auto n = static_cast<std::int64_t>(indices.size());
  sizes[0] = n;
  Tensor rows = empty_tensor(sizes, from.scalar_type());
  const auto bytes =
      static_cast<std::int64_t>(from.size(0) > 0 ? from.nbytes() / static_cast<std::size_t>(from.size(0)) : 0);
  const auto* source = static_cast<const std::byte*>(from.const_data_ptr());
  auto* target = static_cast<std::byte*>(rows.mutable_data_ptr());
  parallel_ranges(n, kNanosecondsPerByte * static_cast<double>(n * bytes), [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) {
      std::memcpy(target + i * bytes, source + indices[static_cast<std::size_t>(i)] * bytes,
                  static_cast<std::size_t>(bytes));
    }
  });
  return rows;
}

TensorSource::TensorSource(Tensor samples, Tensor targets, DataInfo info)
    : samples_(std::move(samples)), targets_(std::move(targets)), info_(std::move(info)) {
  info_.sample_dtype = samples_.scalar_type();
}

RawBatch TensorSource::read(std::span<const std::int64_t> indices) const {
  return {rows_of(samples_, indices), read_targets(indices)};
}

Tensor TensorSource::read_targets(std::span<const std::int64_t> indices) const {
  return targets_.defined() ? rows_of(targets_, indices) : Tensor();
}

std::string TensorSource::description() const {
  DimVector sizes(samples_.sizes());
  sizes.erase(0);
  std::uint64_t digest = digest_of_tensor(samples_);
  if (targets_.defined()) {
    digest = combined_digest(digest, digest_of_tensor(targets_));
  }
  return to_text(size(), " samples of ", sizes, describe_targets(info_), ", digest ", hexadecimal_digest(digest));
}

DescribedSource::DescribedSource(std::int64_t size, Tensor targets, DataInfo info, std::int64_t block)
    : size_(size), targets_(std::move(targets)), info_(std::move(info)), block_(block) {}

RawBatch DescribedSource::read(std::span<const std::int64_t> indices) const {
  fail("data: ", indices.size(), " samples of data of which the shape alone has been read: need all of them");
}

Tensor DescribedSource::read_targets(std::span<const std::int64_t> indices) const {
  return targets_.defined() ? rows_of(targets_, indices) : Tensor();
}

std::string DescribedSource::description() const {
  return to_text(size_, " samples of ", info_.sample_shape, describe_targets(info_));
}

std::string describe_targets(const DataInfo& info) {
  switch (info.target) {
    case TargetKind::Class:
      return to_text(" in ", info.classes, " classes");
    case TargetKind::Values:
      return to_text(" with values of ", info.target_shape);
    case TargetKind::Labels:
      return to_text(" with labels of ", info.target_shape);
    case TargetKind::Input:
      return "";
    case TargetKind::Tokens:
      return to_text(" of ", info.classes, " tokens");
  }
  return "";
}

DimVector shape_for_models(IntArrayRef stored) {
  DimVector shape(stored);
  if (shape.size() == 2 || shape.empty()) {
    shape.insert(0, 1);
  }
  return shape;
}

}  // namespace backflow::train
