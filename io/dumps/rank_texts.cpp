#include <algorithm>
#include <cstring>
#include <exception>

#include <backflow/io/dumps/rank_texts_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io::detail {
namespace {

// How the text of a rank begins.
constexpr char kDone = '+';
constexpr char kFailed = '-';

}  // namespace

void TextWriter::number(std::uint64_t value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  all_.append(bytes, sizeof value);
}

void TextWriter::text(std::string_view value) {
  number(value.size());
  all_ += value;
}

std::uint64_t TextReader::number() {
  std::uint64_t value = 0;
  check(rest_.size() >= sizeof value, "dump: a rank's text is too short: need the same program on all ranks");
  std::memcpy(&value, rest_.data(), sizeof value);
  rest_.remove_prefix(sizeof value);
  return value;
}

std::string TextReader::text() {
  const std::uint64_t size = number();
  check(rest_.size() >= size, "dump: a rank's text is too short: need the same program on all ranks");
  std::string text(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return text;
}

std::vector<std::string> on_all_ranks(DumpRanks& ranks, const std::function<std::string()>& body) {
  std::string own;
  try {
    own = kDone + body();
  } catch (const std::exception& error) {
    own = kFailed + std::string(error.what());
  }
  std::vector<std::string> all = ranks.all_gather(own);
  const auto failed = std::find_if(all.begin(), all.end(), [](const std::string& x) { return x.starts_with(kFailed); });
  if (failed != all.end()) {
    const bool alike = std::all_of(all.begin(), all.end(), [&](const std::string& x) { return x == *failed; });
    fail(alike || failed == all.begin() ? "" : to_text("rank ", failed - all.begin(), ": "), failed->substr(1));
  }
  for (std::string& text : all) text.erase(0, 1);
  return all;
}

}  // namespace backflow::io::detail
