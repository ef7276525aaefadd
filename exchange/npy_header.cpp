#include <array>
#include <cstring>
#include <set>
#include <utility>

#include <backflow/exchange/npy_header.h>

namespace backflow::io {
namespace detail {
namespace {

// NumPy's codes without the byte order. V2 is what ml_dtypes writes for bfloat16.
constexpr std::array<std::pair<const char*, ElementType>, kElementTypes> kCodes{{{"b1", ElementType::Bool},
                                                                                 {"u1", ElementType::UInt8},
                                                                                 {"i1", ElementType::Int8},
                                                                                 {"u2", ElementType::UInt16},
                                                                                 {"i2", ElementType::Int16},
                                                                                 {"u4", ElementType::UInt32},
                                                                                 {"i4", ElementType::Int32},
                                                                                 {"u8", ElementType::UInt64},
                                                                                 {"i8", ElementType::Int64},
                                                                                 {"f2", ElementType::Float16},
                                                                                 {"V2", ElementType::BFloat16},
                                                                                 {"f4", ElementType::Float32},
                                                                                 {"f8", ElementType::Float64}}};

// Reads the literal from left to right.
class DictionaryParser {
 public:
  DictionaryParser(const std::string& text, const std::string& where) : text_(text), where_(where) {}

  NpyHeader parse() {
    NpyHeader header;
    std::set<std::string> seen;
    take('{');
    while (!skip_if('}')) {
      const std::string key = quoted();
      check(seen.insert(key).second, where_, ": its header has '", key, "' twice: need it once");
      take(':');
      if (key == "descr") {
        read_type(header);
      } else if (key == "fortran_order") {
        header.order = truth() ? MemoryOrder::ColumnMajor : MemoryOrder::RowMajor;
      } else if (key == "shape") {
        read_sizes(header.sizes);
      } else {
        fail(where_, ": its header has the key '", key, "': need descr, fortran_order and shape");
      }
      if (!skip_if(',')) {
        take('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail_here("the end of the header");
    check(seen.size() == 3, where_, ": its header lacks descr, fortran_order or shape: need all three");
    return header;
  }

 private:
  [[noreturn]] void fail_here(const std::string& need) const {
    fail(where_, ": its header is damaged at character ", at_, ": need ", need);
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool skip_if(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void take(char c) {
    if (!skip_if(c)) fail_here(std::string("'") + c + "'");
  }
  std::string quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail_here("a quoted text");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string::npos) fail_here("the end of a quoted text");
    std::string result = text_.substr(at_ + 1, end - at_ - 1);
    if (result.find('\\') != std::string::npos) fail_here("a text without escapes");
    at_ = end + 1;
    return result;
  }
  bool truth() {
    skip_space();
    for (const auto& [word, value] : {std::pair("True", true), std::pair("False", false)}) {
      if (text_.compare(at_, std::strlen(word), word) != 0) continue;
      at_ += std::strlen(word);
      return value;
    }
    fail_here("True or False");
  }
  std::int64_t number() {
    skip_space();
    const std::size_t start = at_;
    std::int64_t result = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (__builtin_mul_overflow(result, 10, &result) || __builtin_add_overflow(result, text_[at_] - '0', &result)) {
        fail_here("a size below 2^63");
      }
      ++at_;
    }
    if (at_ == start) fail_here("a size");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote its long integers so
    return result;
  }
  void read_sizes(DimVector& sizes) {
    take('(');
    while (!skip_if(')')) {
      check(sizes.size() < kMaxDims, where_, ": more than ", kMaxDims, " dimensions: need at most ", kMaxDims);
      sizes.push_back(number());
      if (!skip_if(',')) {
        take(')');
        break;
      }
    }
  }
  void read_type(NpyHeader& header) {
    skip_space();
    check(at_ == text_.size() || text_[at_] != '[', where_,
          ": an array of structures (a record array): need numbers; hint: save each field by itself");
    const std::string descr = quoted();
    const std::string code = descr.empty() ? "" : descr.substr(1);
    check(code.empty() || code[0] != 'O', where_,
          ": an array of Python objects, which could run code when read: need numbers; hint: save the numbers with "
          "numpy.save(..., allow_pickle=False)");
    const bool known_order = !descr.empty() && std::strchr("<>|=", descr[0]) != nullptr;
    for (const auto& [known, type] : kCodes) {
      if (!known_order || code != known) continue;
      header.type = type;
      header.byte_order = descr[0] == '>' ? ByteOrder::Big : ByteOrder::Little;
      return;
    }
    const char kind = code.empty() ? '\0' : code[0];
    const char* what = kind == 'c'                  ? " (complex numbers)"
                       : kind == 'U' || kind == 'S' ? " (text)"
                       : kind == 'M' || kind == 'm' ? " (dates or durations)"
                                                    : "";
    fail(where_, ": an array of '", descr, "'", what,
         ": need bool, integers of 1 to 8 bytes, or floating point of 2 to 8 bytes");
  }

  const std::string& text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

}  // namespace

NpyHeader parse_npy_dictionary(const std::string& text, const std::string& where) {
  return DictionaryParser(text, where).parse();
}

std::string npy_header_text(ElementType type, IntArrayRef sizes) {
  const std::string code = kCodes[static_cast<std::size_t>(type)].first;
  const bool has_order = element_size(type) > 1 && type != ElementType::BFloat16;
  std::string dictionary =
      "{'descr': '" + std::string(has_order ? "<" : "|") + code + "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < sizes.size(); ++i) dictionary += (i > 0 ? ", " : "") + std::to_string(sizes[i]);
  dictionary += sizes.size() == 1 ? ",), }" : "), }";
  constexpr std::size_t kStart = 10;  // magic, version and length
  constexpr std::size_t kAlignment = 64;
  const std::size_t whole = (kStart + dictionary.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  dictionary.resize(whole - kStart - 1, ' ');
  dictionary += '\n';
  std::string text("\x93NUMPY\x01\x00", 8);
  text += static_cast<char>(dictionary.size() & 0xff);
  text += static_cast<char>(dictionary.size() >> 8);
  return text + dictionary;
}

}  // namespace detail

NpyHeader read_npy_header(ByteStream& stream) {
  const std::string& where = stream.where();
  std::array<unsigned char, 12> start{};
  check(stream.left() >= 10, where, ": ", stream.left(), " bytes: need a .npy file, which has at least 10");
  stream.read(start.data(), 10);
  check(std::memcmp(start.data(), "\x93NUMPY", 6) == 0, where,
        ": not a .npy file: need one that starts with '\\x93NUMPY'");
  const unsigned version = start[6];
  check(version >= 1 && version <= 3, where, ": .npy version ", version, ": need 1, 2 or 3");
  std::uint64_t length = start[8] | start[9] << 8;
  if (version > 1) {
    stream.read(start.data() + 10, 2);
    length |= std::uint64_t{start[10]} << 16 | std::uint64_t{start[11]} << 24;
  }
  constexpr std::uint64_t kLongest = 1 << 20;
  check(length <= std::min(kLongest, stream.left()), where, ": a header of ", length, " bytes: need at most ",
        std::min(kLongest, stream.left()));
  std::string text(length, '\0');
  stream.read(text.data(), text.size());
  NpyHeader header = detail::parse_npy_dictionary(text, where);
  std::int64_t bytes = static_cast<std::int64_t>(element_size(header.type));
  bool fits = true;
  bool empty = false;
  for (const std::int64_t size : header.sizes) {
    empty = empty || size == 0;
    fits = fits && !__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes);
  }
  check(fits, where, ": sizes ", header.sizes, ": need fewer than 2^63 bytes");
  const std::uint64_t needed = empty ? 0 : static_cast<std::uint64_t>(bytes);
  check(needed <= stream.left(), where, ": truncated: sizes ", header.sizes, " of ", header.type, " need ", needed,
        " bytes behind the header, found ", stream.left());
  check(needed == stream.left(), where, ": ", stream.left() - needed, " bytes too many behind the array of sizes ",
        header.sizes, ": need a file that ends there");
  return header;
}

}  // namespace backflow::io
