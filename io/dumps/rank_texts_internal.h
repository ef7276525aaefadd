#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <backflow/io/shared_dump.h>

namespace backflow::io::detail {

/// Numbers and texts in one text, which one rank sends to others of the same program.
class TextWriter {
 public:
  void number(std::uint64_t value);
  void text(std::string_view value);
  std::string take() { return std::move(all_); }

 private:
  std::string all_;
};

/// Reads them in their order. Throws Error at the end of the text.
class TextReader {
 public:
  /// The text must outlive this object.
  explicit TextReader(std::string_view text) : rest_(text) {}
  std::uint64_t number();
  std::string text();
  bool is_at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// What `body` returns on every rank, by rank. If it throws on any, throws Error on all: with the text of the first
/// rank that failed, and its number unless all failed alike. `body` makes no collective call that a failing rank would
/// miss. Collective.
std::vector<std::string> on_all_ranks(DumpRanks& ranks, const std::function<std::string()>& body);

}  // namespace backflow::io::detail
