#include <utility>

#include <backflow/io/datasets/text_file.h>
#include <backflow/train/data/formats.h>
#include <backflow/train/run/digest.h>

namespace backflow::train::detail {
namespace {

/// Samples of `length` bytes of a text, one every `stride` bytes. Targets are the bytes behind each.
class TextSource : public SampleSource {
 public:
  TextSource(Tensor text, std::int64_t length, std::int64_t stride)
      : text_(std::move(text)),
        length_(length),
        stride_(stride),
        size_(count(text_.numel(), length, stride)),
        info_(info_of(length)) {}

  /// The samples in so many bytes.
  static std::int64_t count(std::int64_t bytes, std::int64_t length, std::int64_t stride) {
    return (bytes - 1 - length) / stride + 1;
  }
  static DataInfo info_of(std::int64_t length) {
    constexpr std::int64_t kBytes = 256;
    DataInfo info;
    info.sample_shape = {length};
    info.sample_dtype = kInt64;
    info.target = TargetKind::Tokens;
    info.classes = kBytes;
    info.target_shape = {length};
    return info;
  }

  std::int64_t size() const override { return size_; }
  const DataInfo& info() const override { return info_; }
  RawBatch read(std::span<const std::int64_t> indices) const override {
    return {tokens(indices, 0), read_targets(indices)};
  }
  Tensor read_targets(std::span<const std::int64_t> indices) const override { return tokens(indices, 1); }
  std::string description() const override {
    return to_text(size_, " samples of ", length_, " bytes, ", stride_, " apart, of ", text_.numel(), " bytes, digest ",
                   hexadecimal_digest(digest_of_tensor(text_)));
  }

 private:
  Tensor tokens(std::span<const std::int64_t> indices, std::int64_t offset) const {
    Tensor x = empty_tensor({static_cast<std::int64_t>(indices.size()), length_}, kInt64);
    auto* to = x.mutable_data_ptr<std::int64_t>();
    for (const std::int64_t index : indices) {
      const auto* from = text_.const_data_ptr<std::uint8_t>() + index * stride_ + offset;
      to = std::copy(from, from + length_, to);
    }
    return x;
  }

  Tensor text_;
  std::int64_t length_;
  std::int64_t stride_;
  std::int64_t size_;
  DataInfo info_;
};

}  // namespace

std::shared_ptr<const SampleSource> load_text(const DataOptions& options, Part part, Contents contents) {
  const std::string path = options.path(file_of_part(options, part));
  if (options.target != "auto") {
    options.section.fail("target", to_text("'target' in [data] is \"", options.target,
                                           "\": the target of text is its next byte: need \"auto\""));
  }
  const bool shapes = contents == Contents::Shapes;
  Tensor text = shapes ? Tensor() : io::read_bytes(path, options.memory_bytes);
  const std::int64_t bytes = shapes ? io::count_bytes(path, options.memory_bytes) : text.numel();
  if (bytes <= options.length) {
    options.section.fail("length", to_text("'length' in [data] is ", options.length, ", ", path, " has ", bytes,
                                           " bytes: need at most ", bytes - 1));
  }
  if (shapes) {
    return std::make_shared<DescribedSource>(TextSource::count(bytes, options.length, options.stride), Tensor(),
                                             TextSource::info_of(options.length));
  }
  return std::make_shared<TextSource>(std::move(text), options.length, options.stride);
}

}  // namespace backflow::train::detail
