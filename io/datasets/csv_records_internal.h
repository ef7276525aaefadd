#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <backflow/io/byte_source_internal.h>

namespace backflow::io::detail {

struct CsvCell {
  std::string text;
  bool quoted = false;
};

/// The records of a CSV file, one after the other.
class CsvRecords {
 public:
  CsvRecords(const std::string& path, char separator);

  /// The next record that is no empty line; false at the end of the file. Cells that are not in quotes are trimmed.
  bool next();
  const CsvCell& cell(std::size_t i) const { return cells_[i]; }
  std::size_t size() const { return size_; }
  /// Where the record starts, from 1.
  std::int64_t line() const { return record_line_; }

  /// Throws Error with "PATH:LINE: " and the parts, of the present line.
  template <class... Parts>
  [[noreturn]] void fail_here(const Parts&... parts) const;

 private:
  static constexpr int kEnd = -1;

  int get();
  int peek();
  bool refill();
  void skip_byte_order_mark();
  void begin_cell();
  void append(int byte);
  /// Each reads a cell and returns the byte behind it: separator, '\n' or kEnd.
  int read_plain();
  int read_quoted();

  std::string path_;
  ByteSource source_;
  char separator_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::vector<CsvCell> cells_;  // reused, size_ of them are valid
  std::size_t size_ = 0;
  std::int64_t line_ = 1;
  std::int64_t record_line_ = 1;
};

}  // namespace backflow::io::detail
