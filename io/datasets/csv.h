#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace backflow::io {

struct CsvOptions {
  char separator = ',';
  bool header = true;                          ///< the first record names the columns; else they are "1", "2", ...
  std::vector<std::string> missing = {""};     ///< cells without quotes that stand for no value
  std::vector<std::string> text_columns = {};  ///< names of columns whose cells are text, numbers too
  std::uint64_t most_bytes = std::uint64_t{1} << 30;  ///< of memory that the table may take
  /// Columns whose `numbers` or `words` are kept; all unless given. Others are checked as well.
  std::optional<std::vector<std::string>> kept_columns = {};
};

/// A column: numbers, or words where a cell is none.
struct CsvColumn {
  std::string name;
  bool is_numeric = true;
  std::vector<double> numbers;          ///< by record, if numeric; 0 where missing
  std::vector<std::uint32_t> words;     ///< by record, if not: numbers in `dictionary`; 0 where missing
  std::vector<std::string> dictionary;  ///< the distinct cells, in their order
  std::vector<std::int64_t> missing;    ///< records without a value, ascending
  std::int64_t first_word_line = 0;     ///< where the first cell is that is no number; 0: nowhere
  std::string first_word;
};

struct CsvTable {
  std::vector<CsvColumn> columns;
  std::vector<std::int64_t> lines;  ///< where each record starts, counted from 1

  std::int64_t records() const { return static_cast<std::int64_t>(lines.size()); }
  /// The column of that name; -1 when there is none.
  std::int64_t find(const std::string& name) const;
};

/// Reads a table of comma-separated values (RFC 4180): cells in quotes may hold separators, line ends and doubled
/// quotes. Lines end with LF or CRLF; empty lines are skipped, as is a byte order mark. Spaces around a cell without
/// quotes do not count. The file may be compressed with gzip. Numbers are decimal, "1.5e-3"; infinity and NaN are none.
///
/// Throws Error, "train.csv:17: ...", for a record with another number of cells than the first, a quote that is not
/// closed or stands inside of a cell, NUL bytes, cells of more than 1 MiB, more than 100,000 columns, two columns of
/// one name, a table that needs more than `most_bytes`, and a file that cannot be read. Thread-safe.
CsvTable read_csv(const std::string& path, const CsvOptions& options);

}  // namespace backflow::io
