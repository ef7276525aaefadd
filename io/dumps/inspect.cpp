#include <backflow/io/inspect.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <backflow/io/dumps/dump_internal.h>
#include <backflow/io/dumps/inspect_internal.h>

namespace backflow::io {
namespace {

TensorFigures figures_of(std::string name, ElementType type, const Tensor& tensor) {
  TensorFigures figures;
  figures.name = std::move(name);
  figures.type = type;
  figures.sizes = tensor.sizes();
  figures.bytes = static_cast<std::uint64_t>(tensor.numel()) * element_size(type);
  const Tensor x = detail::row_major(tensor);
  dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* data = x.const_data_ptr<T>();
    double low = INFINITY;
    double high = -INFINITY;
    double sum = 0.0;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const auto value = static_cast<double>(data[i]);
      if (std::isnan(value)) {
        ++figures.nans;
        continue;
      }
      low = std::min(low, value);
      high = std::max(high, value);
      sum += value;
    }
    if (figures.nans == x.numel()) return;
    figures.min = low;
    figures.max = high;
    figures.mean = sum / static_cast<double>(x.numel() - figures.nans);
  });
  return figures;
}

FileFigures inspect_dump(const std::string& path) {
  detail::RawDump dump = detail::read_raw_dump(path);
  FileFigures file;
  file.digest = dump.digest == detail::Digest::Verified ? "ok" : "none";
  file.format_version = dump.format_version;
  file.step = dump.info.step;
  file.epoch = dump.info.epoch;
  file.versions = std::move(dump.info.versions);
  file.metadata = std::move(dump.info.metadata);
  for (const detail::DumpEntry& entry : dump.entries) {
    file.tensors.push_back(figures_of("/" + entry.group + "/" + entry.name, entry.type, entry.value));
    file.tensors.back().digest = !entry.stated_checksum ? "none" : entry.is_intact() ? "ok" : "WRONG";
  }
  return file;
}

}  // namespace

FileFigures inspect_file(const std::string& path, const std::string& key) {
  const TensorFormat format = format_of_file(path);
  FileFigures file;
  if (format == TensorFormat::Hdf5 && key.empty()) {
    file = inspect_dump(path);
  } else {
    TensorFile tensors = read_tensor_file(path, {.key = key, .access = Access::Mapped});
    for (std::size_t i = 0; i < tensors.tensors.size(); ++i) {
      file.tensors.push_back(figures_of(tensors.tensors[i].first, tensors.types[i], tensors.tensors[i].second));
      // Archives have a CRC-32 of each entry; a wrong one was an Error.
      const bool is_archive = format == TensorFormat::Npz || format == TensorFormat::Torch;
      if (is_archive) file.tensors.back().digest = "ok";
    }
    file.metadata = std::move(tensors.metadata);
  }
  file.path = path;
  file.format = format;
  return file;
}

}  // namespace backflow::io
