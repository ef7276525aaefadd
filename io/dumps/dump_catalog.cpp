#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include <backflow/io/dumps/dump_catalog_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io::detail {
namespace {

using Json = nlohmann::json;

template <class T>
Json of_optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

template <class T>
std::optional<T> optional_of(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional<T>(json.get<T>());
}

Json json_of(const StoredTensor& tensor) {
  return Json::array({tensor.group, tensor.name, static_cast<int>(tensor.type),
                      std::vector<std::int64_t>(tensor.sizes.begin(), tensor.sizes.end()),
                      of_optional(tensor.stated_checksum), of_optional(tensor.offset)});
}

StoredTensor tensor_of(const Json& json) {
  StoredTensor tensor;
  tensor.group = json.at(0).get<std::string>();
  tensor.name = json.at(1).get<std::string>();
  const auto type = json.at(2).get<std::size_t>();
  check(type < kElementTypes, "a tensor of type ", type);
  tensor.type = static_cast<ElementType>(type);
  const auto sizes = json.at(3).get<std::vector<std::int64_t>>();
  const bool is_known = std::any_of(std::begin(kDumpGroups), std::end(kDumpGroups),
                                    [&](const DumpGroup& group) { return tensor.group == group.name; });
  check(is_known && sizes.size() <= kMaxDims, "a tensor of group '", tensor.group, "' with ", sizes.size(), " sizes");
  for (const std::int64_t size : sizes) {
    check(size >= 0, "a size of ", size);
    tensor.sizes.push_back(size);
  }
  tensor.stated_checksum = optional_of<std::int64_t>(json.at(4));
  tensor.offset = optional_of<std::uint64_t>(json.at(5));
  check(tensor.bytes().has_value(), "a tensor of 2^63 bytes");
  return tensor;
}

}  // namespace

std::optional<std::uint64_t> StoredTensor::bytes() const {
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return 0;
  auto result = static_cast<std::int64_t>(element_size(type));
  for (const std::int64_t size : sizes) {
    if (__builtin_mul_overflow(result, size, &result)) return {};
  }
  return static_cast<std::uint64_t>(result);
}

std::string head_of(const InputFile& file) {
  constexpr std::size_t kBytes = 512;
  return file.text_at(0, kBytes);
}

std::string encode(const DumpCatalog& catalog) {
  const Dump& info = catalog.info;
  Json tensors = Json::array();
  for (const StoredTensor& tensor : catalog.tensors) tensors.push_back(json_of(tensor));
  const Json json{{"head", catalog.head},
                  {"format_version", catalog.format_version},
                  {"tensors", std::move(tensors)},
                  {"step", info.step},
                  {"epoch", info.epoch},
                  {"sampler_epoch", info.sampler_epoch},
                  {"sampler_position", info.sampler_position},
                  {"config", info.config},
                  {"train_data", info.train_data},
                  {"test_data", info.test_data},
                  {"versions", info.versions},
                  {"metadata", info.metadata}};
  std::string bytes;
  Json::to_cbor(json, bytes);
  return bytes;
}

DumpCatalog decode_catalog(const std::string& bytes, const std::string& path) {
  try {
    const Json json = Json::from_cbor(bytes);
    DumpCatalog catalog;
    catalog.head = json.at("head").get<std::string>();
    catalog.format_version = json.at("format_version").get<std::int64_t>();
    for (const Json& tensor : json.at("tensors")) catalog.tensors.push_back(tensor_of(tensor));
    Dump& info = catalog.info;
    for (const auto& [key, number] :
         {std::pair("step", &info.step), std::pair("epoch", &info.epoch),
          std::pair("sampler_epoch", &info.sampler_epoch), std::pair("sampler_position", &info.sampler_position)}) {
      *number = json.at(key).get<std::int64_t>();
    }
    for (const auto& [key, text] : {std::pair("config", &info.config), std::pair("train_data", &info.train_data),
                                    std::pair("test_data", &info.test_data)}) {
      *text = json.at(key).get<std::string>();
    }
    info.versions = json.at("versions").get<std::map<std::string, std::string>>();
    info.metadata = json.at("metadata").get<std::map<std::string, std::string>>();
    return catalog;
  } catch (const std::exception& error) {
    fail(path, ": the process that reads it sends what is no list of tensors (", error.what(),
         "): need an intact copy");
  }
}

}  // namespace backflow::io::detail
