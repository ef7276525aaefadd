#include <backflow/io/datasets/cifar.h>

#include <cstring>

#include <backflow/io/byte_source_internal.h>

namespace backflow::io {
namespace {

constexpr std::size_t kImageBytes = 3 * 32 * 32;

/// Appends the records of a file.
class CifarReader {
 public:
  enum class Kept : std::uint8_t { All, Labels };

  CifarReader(CifarLabels kind, std::uint64_t most_bytes, Kept kept)
      : kept_(kept),
        label_bytes_(kind == CifarLabels::Ten ? 1 : 2),
        label_at_(kind == CifarLabels::Fine ? 1 : 0),
        classes_(kind == CifarLabels::Ten    ? 10
                 : kind == CifarLabels::Fine ? 100
                                             : 20),
        most_bytes_(most_bytes) {}

  void read(const std::string& path) {
    detail::ByteSource source(path);
    std::vector<std::uint8_t> record(label_bytes_ + kImageBytes);
    for (std::size_t number = 0;; ++number) {
      const std::size_t got = source.read(record.data(), record.size());
      if (got == 0 && number > 0) return;
      check(got == record.size(), path, ": record ", number, " has ", got, " bytes: need ", record.size(),
            "; is it the binary version?");
      const std::uint8_t label = record[label_at_];
      check(label < classes_, path, ": record ", number, " has the label ", static_cast<int>(label),
            ": need a class from 0 to ", classes_ - 1);
      check((labels_.size() + 1) * kImageBytes <= most_bytes_, path, ": more than ", most_bytes_,
            " bytes of pictures: need fewer");
      labels_.push_back(label);
      if (kept_ == Kept::All) {
        pixels_.insert(pixels_.end(), record.begin() + static_cast<std::ptrdiff_t>(label_bytes_), record.end());
      }
    }
  }

  Tensor labels() const {
    Tensor result = empty_tensor({static_cast<std::int64_t>(labels_.size())}, kInt64);
    std::copy(labels_.begin(), labels_.end(), result.mutable_data_ptr<std::int64_t>());
    return result;
  }

  Tensor images() const {
    Tensor result = empty_tensor({static_cast<std::int64_t>(labels_.size()), 3, 32, 32}, kUInt8);
    std::memcpy(result.mutable_data_ptr(), pixels_.data(), pixels_.size());
    return result;
  }

 private:
  Kept kept_;
  std::size_t label_bytes_;
  std::size_t label_at_;
  int classes_;
  std::uint64_t most_bytes_;
  std::vector<std::uint8_t> pixels_;
  std::vector<std::uint8_t> labels_;
};

}  // namespace

LabelledImages read_cifar(const std::vector<std::string>& paths, CifarLabels labels, std::uint64_t most_bytes) {
  CifarReader reader(labels, most_bytes, CifarReader::Kept::All);
  for (const std::string& path : paths) reader.read(path);
  return {reader.images(), reader.labels()};
}

Tensor read_cifar_labels(const std::vector<std::string>& paths, CifarLabels labels, std::uint64_t most_bytes) {
  CifarReader reader(labels, most_bytes, CifarReader::Kept::Labels);
  for (const std::string& path : paths) reader.read(path);
  return reader.labels();
}

}  // namespace backflow::io
