#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <utility>

#include <backflow/exchange/npy.h>
#include <backflow/io/datasets/hdf5_samples.h>
#include <backflow/ops/functions.h>
#include <backflow/train/data/formats.h>
#include <backflow/train/data/missing_values.h>
#include <backflow/train/data/targets.h>
#include <backflow/train/run/digest.h>

namespace backflow::train::detail {
namespace {

const std::string kMissingHint = "; data.missing says what becomes of missing ones";

/// An array in a file whose first dimension counts samples.
struct FileRows {
  DimVector sizes;
  std::uint64_t bytes = 0;  ///< of all rows, in memory
  std::int64_t block = 1;
  std::int64_t kept_blocks = 1;
  std::function<Tensor()> read_all;
  std::function<Tensor(std::span<const std::int64_t>)> read;
};

/// The nearest of the dtypes that samples may have.
Tensor as_samples(const Tensor& x) {
  const ScalarType dtype = x.scalar_type();
  if (dtype == kUInt8 || dtype == kFloat32 || dtype == kFloat64 || dtype == kInt64) {
    return x;
  }
  return to(x, x.is_floating_point() ? kFloat32 : kInt64);
}

FileRows rows_of_hdf5(const std::string& path, const std::string& name, std::uint64_t cache_bytes) {
  const auto file = std::make_shared<io::Hdf5Samples>(path, name, cache_bytes);
  FileRows rows;
  rows.sizes = file->sizes();
  rows.bytes = file->bytes();
  rows.block = file->block_rows();
  rows.kept_blocks = file->kept_blocks();
  rows.read_all = [file] { return file->read_all(); };
  rows.read = [file](std::span<const std::int64_t> numbers) {
    DimVector sizes(file->sizes());
    sizes[0] = static_cast<std::int64_t>(numbers.size());
    Tensor x = empty_tensor(sizes, file->dtype());
    file->read_rows(numbers, static_cast<std::byte*>(x.mutable_data_ptr()));
    return x;
  };
  return rows;
}

bool is_archive(const std::string& path) { return path.ends_with(".npz"); }

FileRows rows_of_header(const io::NpyHeader& header, const std::string& path) {
  FileRows rows;
  rows.sizes = header.sizes;
  check(!rows.sizes.empty() && numel_of(rows.sizes) > 0, path, ": holds an array ", rows.sizes,
        ": need a row for each sample");
  rows.bytes = static_cast<std::uint64_t>(numel_of(rows.sizes)) * element_size(header.dtype());
  return rows;
}

FileRows rows_of_numpy(const std::string& path, const std::string& name) {
  const auto file =
      std::make_shared<io::NpyArray>(is_archive(path) ? io::NpyArray::open(path, name) : io::NpyArray::open(path));
  FileRows rows = rows_of_header(file->header(), path);
  rows.read_all = [file] { return as_samples(file->rows(0, file->header().sizes[0])); };
  rows.read = [file](std::span<const std::int64_t> numbers) {
    DimVector sizes(file->header().sizes);
    sizes[0] = static_cast<std::int64_t>(numbers.size());
    Tensor x = empty_tensor(sizes, file->header().dtype());
    const std::int64_t length = numbers.empty() ? 0 : x.numel() / sizes[0];
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      file->read_rows(numbers[i], 1, x, static_cast<std::int64_t>(i) * length);
    }
    return as_samples(x);
  };
  return rows;
}

/// Of the size of a file and 1,024 pieces of it: all of a large file would take as long to read as an epoch.
std::uint64_t digest_of_file(const std::string& path) {
  constexpr std::uint64_t kPieces = 1024;
  constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 16;
  const std::uint64_t bytes = std::filesystem::file_size(path);
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(kPieceBytes);
  std::uint64_t digest = bytes;
  const std::uint64_t step = std::max(kPieceBytes, bytes / kPieces);
  for (std::uint64_t at = 0; at < bytes; at += step) {
    file.clear();
    file.seekg(static_cast<std::streamoff>(at));
    file.read(piece.data(), static_cast<std::streamsize>(kPieceBytes));
    digest = combined_digest(
        digest, digest_of(std::as_bytes(std::span(piece.data(), static_cast<std::size_t>(file.gcount())))));
  }
  return digest;
}

/// Samples that stay in their file, with targets in memory.
class FileSource : public SampleSource {
 public:
  /// `fill` is what missing values of each feature become; empty: they are errors.
  FileSource(FileRows rows, Tensor targets, DataInfo info, std::string path, std::vector<double> fill)
      : rows_(std::move(rows)),
        targets_(std::move(targets)),
        info_(std::move(info)),
        path_(std::move(path)),
        fill_(std::move(fill)) {
    info_.sample_dtype = read(std::array<std::int64_t, 1>{0}).samples.scalar_type();
  }

  std::int64_t size() const override { return rows_.sizes[0]; }
  const DataInfo& info() const override { return info_; }
  RawBatch read(std::span<const std::int64_t> indices) const override {
    Tensor samples = rows_.read(indices);
    if (!fill_.empty()) {
      fill_missing(samples, fill_);
    }
    check_finite(samples, path_, indices, kMissingHint);
    return {std::move(samples), read_targets(indices)};
  }
  Tensor read_targets(std::span<const std::int64_t> indices) const override {
    return targets_.defined() ? rows_of(targets_, indices) : Tensor();
  }
  std::string description() const override {
    DimVector sizes(rows_.sizes);
    sizes.erase(0);
    std::uint64_t digest = digest_of_file(path_);
    if (targets_.defined()) {
      digest = combined_digest(digest, digest_of_tensor(targets_));
    }
    return to_text(size(), " samples of ", sizes, describe_targets(info_), ", in a file, digest of parts ",
                   hexadecimal_digest(digest));
  }
  std::int64_t block() const override { return rows_.block; }
  std::int64_t kept_blocks() const override { return rows_.kept_blocks; }

 private:
  FileRows rows_;
  Tensor targets_;
  DataInfo info_;
  std::string path_;
  std::vector<double> fill_;
};

/// The means of the features, of all rows, block by block.
std::vector<double> means_of(const FileRows& rows, std::int64_t features) {
  constexpr std::int64_t kLeastRows = 1024;
  FeatureMeans means(features);
  const std::int64_t piece = (kLeastRows + rows.block - 1) / rows.block * rows.block;
  for (std::int64_t begin = 0; begin < rows.sizes[0]; begin += piece) {
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(std::min(piece, rows.sizes[0] - begin)));
    std::iota(numbers.begin(), numbers.end(), begin);
    means.add(rows.read(numbers));
  }
  return means.means();
}

/// Leaves out samples with missing values or targets.
void drop_missing(Tensor& samples, Tensor& targets, const std::string& path) {
  if (targets.defined() && (targets.dim() == 0 || targets.size(0) != samples.size(0))) {
    return;  // is an error of its own
  }
  const std::vector<std::int64_t> rows = complete_rows(samples, targets);
  check(!rows.empty(), path, ": no samples without missing values: need at least one");
  if (static_cast<std::int64_t>(rows.size()) < samples.size(0)) {
    samples = rows_of(samples, rows);
    targets = targets.defined() ? rows_of(targets, rows) : targets;
  }
}

/// Does with missing values of samples in memory what the options say.
void settle_missing(Tensor& samples, Tensor& targets, std::int64_t features, const std::string& path,
                    DataOptions& options) {
  if (options.missing == "drop") {
    drop_missing(samples, targets, path);
  } else if (options.missing != "error") {
    fill_missing(samples, fill_values(options, static_cast<std::size_t>(features), [&] {
                   FeatureMeans means(features);
                   means.add(samples);
                   return means.means();
                 }));
  }
  check_finite(samples, path, {}, kMissingHint);
}

/// Samples that stay in their file.
std::shared_ptr<const SampleSource> file_source(FileRows x, const Tensor& raw, DataInfo info, const std::string& path,
                                                const std::string& targets_path, DataOptions& options) {
  if (options.missing == "drop") {
    options.section.fail("missing", to_text("'missing' in [data] is \"drop\" for ", path,
                                            ", which is larger than data.memory_mb: need \"mean\" or \"fill\""));
  }
  const std::int64_t features = features_of(info.sample_shape);
  std::vector<double> fill;
  if (options.missing != "error") {
    fill = fill_values(options, static_cast<std::size_t>(features), [&] { return means_of(x, features); });
  }
  Tensor targets = make_targets(raw, x.sizes[0], options.target, targets_path, info);
  return std::make_shared<FileSource>(std::move(x), std::move(targets), std::move(info), path, std::move(fill));
}

void check_memory(const FileRows& rows, const DataOptions& options, const std::string& file) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  check(rows.bytes <= options.memory_bytes, file, ": ", rows.bytes / kMiB, " MiB of targets: need at most ",
        options.memory_bytes / kMiB, "; data.memory_mb sets the limit");
}

/// `open_targets` is not called where the targets are the samples.
std::shared_ptr<const SampleSource> source_of(FileRows x, const std::function<FileRows()>& open_targets,
                                              const std::string& path, const std::string& targets_path,
                                              DataOptions& options, Contents contents) {
  DataInfo info;
  DimVector stored(x.sizes);
  stored.erase(0);
  info.sample_shape = shape_for_models(stored);
  info.class_names = options.class_names;
  Tensor raw;
  if (options.target != "input") {
    const FileRows y = open_targets();
    check_memory(y, options, targets_path);
    raw = y.read_all();
  }
  if (contents == Contents::Shapes) {
    Tensor targets = make_targets(raw, x.sizes[0], options.target, targets_path, info);
    return std::make_shared<DescribedSource>(x.sizes[0], std::move(targets), std::move(info),
                                             x.bytes > options.memory_bytes ? x.block : 1);
  }
  if (x.bytes > options.memory_bytes) {
    return file_source(std::move(x), raw, std::move(info), path, targets_path, options);
  }
  Tensor samples = x.read_all();
  if (stored.empty()) {
    samples = samples.reshape({samples.size(0), 1});
  }
  settle_missing(samples, raw, features_of(info.sample_shape), path, options);
  Tensor targets = make_targets(raw, samples.size(0), options.target, targets_path, info);
  return std::make_shared<TensorSource>(std::move(samples), std::move(targets), std::move(info));
}

}  // namespace

std::shared_ptr<const SampleSource> load_hdf5(DataOptions& options, Part part, Contents contents) {
  const std::string path = options.path(file_of_part(options, part));
  return source_of(
      rows_of_hdf5(path, options.x, options.cache_bytes),
      [&] { return rows_of_hdf5(path, options.y, options.cache_bytes); }, path, path + ":" + options.y, options,
      contents);
}

std::shared_ptr<const SampleSource> load_numpy(DataOptions& options, Part part, Contents contents) {
  const std::string path = options.path(file_of_part(options, part));
  const auto [key, file, need] = targets_file_of_part(options, part);
  const bool archive = is_archive(path);
  if (!archive && file.empty() && options.target != "input") {
    options.section.fail(
        key, to_text("'", key, "' in [data]: none for ", path, ": ", need, " of targets, or a .npz that holds both"));
  }
  const std::string targets_path = archive ? path + ":" + options.y : options.path(file);
  const auto open_samples = [&] {
    if (contents == Contents::Samples) {
      return rows_of_numpy(path, options.x);
    }
    return rows_of_header(archive ? io::npz_header(path, options.x) : io::npy_header(path), path);
  };
  return source_of(
      open_samples(), [&] { return archive ? rows_of_numpy(path, options.y) : rows_of_numpy(targets_path, ""); }, path,
      targets_path, options, contents);
}

}  // namespace backflow::train::detail
