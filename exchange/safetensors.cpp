#include <backflow/exchange/safetensors.h>

#include <algorithm>
#include <array>
#include <set>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/reading_internal.h>
#include <backflow/exchange/safetensors_header_internal.h>
#include <backflow/runtime/tensor/tensor_impl.h>

namespace backflow::io {
namespace {

using detail::SafetensorsEntry;
using detail::SafetensorsHeader;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLongestHeader = 100'000'000;  // as the format's own library has it
constexpr std::uint64_t kAlignment = 64;

std::uint64_t header_bytes(const InputFile& file) {
  check(file.size() >= kLengthBytes, file.path(), ": ", file.size(), " bytes: need a safetensors file, which has more");
  std::array<std::uint8_t, kLengthBytes> bytes{};
  file.read_at(0, bytes.data(), bytes.size());
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) length |= std::uint64_t{bytes[i]} << 8 * i;
  const std::uint64_t most = std::min(kLongestHeader, file.size() - kLengthBytes);
  check(length <= most, file.path(), ": a header of ", length, " bytes: need at most ", most,
        "; is it a safetensors file, and all of it?");
  return length;
}

// A tensor that shows a part of the mapped file.
Tensor mapped_tensor(const std::shared_ptr<std::byte>& map, std::uint64_t offset, const SafetensorsEntry& entry) {
  const auto release = [map](void*) {};
  return Tensor(TensorImpl::make(Storage::wrap(map.get() + offset, entry.end - entry.begin, release),
                                 dtype_of_elements(entry.type), entry.sizes));
}

bool can_be_mapped(const SafetensorsEntry& entry, std::uint64_t offset) {
  return entry.end > entry.begin && detail::is_verbatim(entry.type, ByteOrder::Little) &&
         offset % element_size(entry.type) == 0;
}

void check_tensors(const NamedTensors& tensors, const std::string& path) {
  std::set<std::string> seen;
  for (const auto& [name, x] : tensors) {
    check(name != "__metadata__", path, ": name '", name, "': the format keeps it for itself: need another one");
    check(seen.insert(name).second, path, ": two tensors '", name, "': need different names");
    check(x.defined(), path, ": tensor '", name, "' is undefined: need one with a value");
  }
}

}  // namespace

TensorFile read_safetensors(const InputFile& file, Access access) {
  const std::uint64_t length = header_bytes(file);
  const std::uint64_t start = kLengthBytes + length;
  SafetensorsHeader header =
      detail::parse_safetensors_header(file.text_at(kLengthBytes, length), file.size() - start, file.path());
  std::shared_ptr<std::byte> map;
  if (access == Access::Mapped) map = file.map();
  TensorFile result;
  for (SafetensorsEntry& entry : header.entries) {
    const std::uint64_t offset = start + entry.begin;
    result.types.push_back(entry.type);
    if (map && can_be_mapped(entry, offset)) {
      result.tensors.emplace_back(std::move(entry.name), mapped_tensor(map, offset, entry));
      continue;
    }
    Tensor x = empty_tensor(entry.sizes, dtype_of_elements(entry.type));
    detail::PartStream part(file, offset, entry.end - entry.begin, file.path() + ": '" + entry.name + "'");
    detail::read_elements(part, entry.type, ByteOrder::Little, x.numel(), x, 0);
    result.tensors.emplace_back(std::move(entry.name), std::move(x));
  }
  result.metadata = std::move(header.metadata);
  return result;
}

void write_safetensors(const std::string& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata, std::optional<ElementType> floating_point) {
  AtomicFile file(path);
  const auto write = [&](const void* data, std::size_t bytes) { file.write(data, bytes); };
  write_safetensors(write, path, tensors, metadata, floating_point);
  file.commit();
}

void write_safetensors(const WriteBytes& write, const std::string& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata, std::optional<ElementType> floating_point) {
  check_tensors(tensors, path);
  SafetensorsHeader header;
  header.metadata = metadata;
  header.metadata.emplace("format", "pt");
  std::vector<std::size_t> order;
  for (const auto& [name, x] : tensors) {
    order.push_back(order.size());
    header.entries.push_back({name, stored_elements(x, floating_point), x.sizes(), 0, 0});
  }
  const auto size_of = [&](std::size_t i) { return element_size(header.entries[i].type); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return size_of(a) > size_of(b); });
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    header.entries[i].begin = end;
    end += static_cast<std::uint64_t>(tensors[i].second.numel()) * size_of(i);
    header.entries[i].end = end;
  }
  std::string text = detail::safetensors_header_text(header, path);
  text.resize((kLengthBytes + text.size() + kAlignment - 1) / kAlignment * kAlignment - kLengthBytes, ' ');
  check(text.size() <= kLongestHeader, path, ": a header of ", text.size(), " bytes: need at most ", kLongestHeader);
  std::array<std::uint8_t, kLengthBytes> length{};
  for (std::size_t i = 0; i < length.size(); ++i) length[i] = static_cast<std::uint8_t>(text.size() >> 8 * i);
  write(length.data(), length.size());
  write(text.data(), text.size());
  for (const std::size_t i : order) {
    const EncodedElements elements(tensors[i].second, header.entries[i].type);
    write(elements.bytes().data(), elements.bytes().size());
  }
}

}  // namespace backflow::io
