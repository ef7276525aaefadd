#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include <backflow/exchange/safetensors_header_internal.h>

namespace backflow::io::detail {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<const char*, ElementType>, kElementTypes> kNames{{{"BOOL", ElementType::Bool},
                                                                                 {"U8", ElementType::UInt8},
                                                                                 {"I8", ElementType::Int8},
                                                                                 {"U16", ElementType::UInt16},
                                                                                 {"I16", ElementType::Int16},
                                                                                 {"U32", ElementType::UInt32},
                                                                                 {"I32", ElementType::Int32},
                                                                                 {"U64", ElementType::UInt64},
                                                                                 {"I64", ElementType::Int64},
                                                                                 {"F16", ElementType::Float16},
                                                                                 {"BF16", ElementType::BFloat16},
                                                                                 {"F32", ElementType::Float32},
                                                                                 {"F64", ElementType::Float64}}};

// Takes the events of the JSON parser. A tree of objects would lose keys that repeat, and take more memory.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& path) : path_(path) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a truth value"); }
  bool number_integer(std::int64_t value) override { unexpected(std::to_string(value)); }
  bool number_float(double, const std::string& text) override { unexpected(text); }
  bool binary(Json::binary_t&) override { unexpected("bytes"); }

  bool number_unsigned(std::uint64_t value) override {
    if (place_ == Place::Shape) {
      check(value <= INT64_MAX, where(), ": a size of ", value, ": need less than 2^63");
      check(entry().sizes.size() < kMaxDims, where(), ": more than ", kMaxDims, " dimensions: need at most ", kMaxDims);
      entry().sizes.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (place_ != Place::Offsets || offsets_ == 2) unexpected(std::to_string(value));
    (offsets_++ == 0 ? entry().begin : entry().end) = value;
    return true;
  }

  bool string(std::string& text) override {
    if (place_ == Place::Metadata) {
      check(header_.metadata.emplace(key_, text).second, path_, ": metadata '", key_, "' twice: need different names");
      return true;
    }
    if (place_ != Place::Tensor || key_ != "dtype") unexpected("'" + text + "'");
    for (const auto& [known, type] : kNames) {
      if (text != known) continue;
      entry().type = type;
      return true;
    }
    fail(where(), ": dtype '", text, "': need BOOL, U8 to U64, I8 to I64, F16, BF16, F32 or F64");
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::Nowhere) {
      place_ = Place::Top;
    } else if (place_ == Place::Top && key_ == "__metadata__") {
      place_ = Place::Metadata;
    } else if (place_ == Place::Top) {
      header_.entries.push_back({key_, {}, {}, 0, 0});
      place_ = Place::Tensor;
      seen_.clear();
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::Tensor) {
      check(seen_.size() == 3, where(), ": lacks dtype, shape or data_offsets: need all three");
    }
    place_ = place_ == Place::Top ? Place::Nowhere : Place::Top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::Tensor || (key_ != "shape" && key_ != "data_offsets")) unexpected("a list");
    place_ = key_ == "shape" ? Place::Shape : Place::Offsets;
    offsets_ = 0;
    return true;
  }

  bool end_array() override {
    check(place_ != Place::Offsets || offsets_ == 2, where(), ": ", offsets_, " data_offsets: need two");
    place_ = Place::Tensor;
    return true;
  }

  bool key(std::string& text) override {
    key_ = text;
    if (place_ == Place::Top) {
      check(names_.insert(text).second, path_, ": two tensors '", text, "': need different names");
    } else if (place_ == Place::Tensor) {
      const bool known = text == "dtype" || text == "shape" || text == "data_offsets";
      check(known && seen_.insert(text).second, where(), ": key '", text,
            known ? "' twice: need it once" : "': need dtype, shape and data_offsets");
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(path_, ": offset ", 7 + position, ": its header is no JSON: need a safetensors file, intact");
  }

 private:
  enum class Place { Nowhere, Top, Metadata, Tensor, Shape, Offsets };

  SafetensorsEntry& entry() { return header_.entries.back(); }
  std::string where() { return header_.entries.empty() ? path_ : path_ + ": '" + entry().name + "'"; }
  [[noreturn]] void unexpected(const std::string& what) {
    fail(path_, ": its header has ", what, " at '", key_,
         "': need {\"name\": {\"dtype\": ..., \"shape\": [...], \"data_offsets\": [begin, end]}}");
  }

  const std::string& path_;
  SafetensorsHeader header_;
  Place place_ = Place::Nowhere;
  std::string key_;
  int offsets_ = 0;
  std::set<std::string> seen_;   // keys of the present tensor
  std::set<std::string> names_;  // of all tensors
};

// That the data of the tensor are as long as its shape asks for.
void check_size(const SafetensorsEntry& entry, std::uint64_t data_bytes, const std::string& path) {
  std::uint64_t bytes = element_size(entry.type);
  bool fits = true;
  bool empty = false;
  for (const std::int64_t size : entry.sizes) {
    empty = empty || size == 0;
    fits = fits && !__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes) && bytes <= INT64_MAX;
  }
  if (empty) bytes = 0;
  const bool inside = entry.begin <= entry.end && entry.end <= data_bytes;
  check(fits && inside && bytes == entry.end - entry.begin, path, ": '", entry.name, "' has data_offsets [",
        entry.begin, ", ", entry.end, "] in ", data_bytes, " bytes of data: need ",
        fits ? to_text(bytes) : "fewer than 2^63", " bytes for ", entry.type, entry.sizes, ", inside of the file");
}

void check_cover(const SafetensorsHeader& header, std::uint64_t data_bytes, const std::string& path) {
  std::vector<const SafetensorsEntry*> order;
  for (const SafetensorsEntry& entry : header.entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t end = 0;
  for (const SafetensorsEntry* entry : order) {
    check(entry->begin == end, path, ": '", entry->name, "' starts at byte ", entry->begin, " of the data, ",
          entry->begin < end ? "inside of another tensor" : "behind a gap", ": need ", end);
    end = entry->end;
  }
  check(end == data_bytes, path, ": ", data_bytes - end, " bytes behind the last tensor: need a file that ends there");
}

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::string& json, std::uint64_t data_bytes, const std::string& path) {
  HeaderReader reader(path);
  Json::sax_parse(json, &reader);
  SafetensorsHeader header = reader.take();
  for (const SafetensorsEntry& entry : header.entries) check_size(entry, data_bytes, path);
  check_cover(header, data_bytes, path);
  return header;
}

std::string safetensors_header_text(const SafetensorsHeader& header, const std::string& path) {
  const auto quoted = [&](const std::string& text) {
    try {
      return Json(text).dump();
    } catch (const Json::type_error&) {
      fail(path, ": name or metadata '", text.substr(0, 80), "': need text in UTF-8");
    }
  };
  std::string text = "{";
  if (!header.metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : header.metadata) {
      text += (text.back() == '{' ? "" : ",") + quoted(key) + ":" + quoted(value);
    }
    text += "}";
  }
  for (const SafetensorsEntry& entry : header.entries) {
    std::string sizes;
    for (const std::int64_t size : entry.sizes) sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
    text += (text.size() == 1 ? "" : ",") + quoted(entry.name) + ":{\"dtype\":\"" +
            kNames[static_cast<std::size_t>(entry.type)].first + "\",\"shape\":[" + sizes + "],\"data_offsets\":[" +
            std::to_string(entry.begin) + "," + std::to_string(entry.end) + "]}";
  }
  return text + "}";
}

}  // namespace backflow::io::detail
