#include <utility>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/npy.h>
#include <backflow/exchange/npy_header.h>
#include <backflow/exchange/zip/zip.h>

namespace backflow::io {
namespace {

constexpr std::string_view kSuffix = ".npy";

std::string array_name(const ZipEntry& entry, const std::string& path) {
  check(entry.name.ends_with(kSuffix) && entry.name.size() > kSuffix.size(), path, ": entry '", entry.name,
        "' is no array: need names that end with .npy");
  return entry.name.substr(0, entry.name.size() - kSuffix.size());
}

}  // namespace

std::vector<std::string> npz_names(const std::string& path) {
  const InputFile file(path);
  const ZipReader archive(file);
  std::vector<std::string> names;
  for (const ZipEntry& entry : archive.entries()) names.push_back(array_name(entry, path));
  return names;
}

TensorFile read_npz(const InputFile& file) {
  const ZipReader archive(file);
  TensorFile result;
  for (const ZipEntry& entry : archive.entries()) {
    std::string name = array_name(entry, file.path());
    const std::unique_ptr<ByteStream> stream = archive.open(entry);
    const NpyHeader header = read_npy_header(*stream);
    result.tensors.emplace_back(std::move(name), read_npy_data(*stream, header));
    result.types.push_back(header.type);
  }
  return result;
}

void write_npz(const std::string& path, const NamedTensors& tensors, std::optional<ElementType> floating_point) {
  AtomicFile file(path);
  ZipWriter archive(file, path);
  for (const auto& [name, x] : tensors) {
    check(x.defined(), path, ": tensor '", name, "' is undefined: need one with a value");
    const ElementType type = stored_elements(x, floating_point);
    const EncodedElements elements(x, type);
    const std::string header = detail::npy_header_text(type, x.sizes());
    const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(header)), elements.bytes()};
    archive.add(name + std::string(kSuffix), pieces);
  }
  archive.finish();
  file.commit();
}

}  // namespace backflow::io
