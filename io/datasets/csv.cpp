#include <backflow/io/datasets/csv.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include <backflow/io/datasets/csv_records_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

using detail::CsvCell;
using detail::CsvRecords;

std::optional<double> number_of(const std::string& text) {
  const char* first = text.data();
  const char* const last = first + text.size();
  if (last - first > 1 && *first == '+' && first[1] != '-') ++first;
  double x = 0;
  const auto [end, error] = std::from_chars(first, last, x);
  return error == std::errc() && end == last && std::isfinite(x) ? std::optional(x) : std::nullopt;
}

/// Reads the file twice: which columns are numbers is known at its end alone.
class TableReader {
 public:
  TableReader(const std::string& path, const CsvOptions& options)
      : path_(path),
        options_(options),
        missing_(options.missing.begin(), options.missing.end()),
        text_columns_(options.text_columns.begin(), options.text_columns.end()) {
    if (options.kept_columns) kept_columns_.emplace(options.kept_columns->begin(), options.kept_columns->end());
  }

  CsvTable read() {
    find_types();
    allocate();
    fill();
    return std::move(table_);
  }

 private:
  bool is_missing(const CsvCell& cell) const { return !cell.quoted && missing_.contains(cell.text); }

  /// Takes the names of the columns from the first record; returns whether that record is a header.
  bool begin(const CsvRecords& records) {
    for (std::size_t i = 0; i < records.size(); ++i) {
      CsvColumn column;
      column.name = options_.header ? records.cell(i).text : std::to_string(i + 1);
      check(!column.name.empty(), path_, ":", records.line(), ": column ", i + 1,
            " has no name: need one in the header");
      const bool is_new = numbers_.emplace(column.name, i).second;
      check(is_new, path_, ":", records.line(), ": two columns are called '", column.name, "': need different names");
      column.is_numeric = !text_columns_.contains(column.name);
      kept_.push_back(!kept_columns_ || kept_columns_->contains(column.name));
      table_.columns.push_back(std::move(column));
    }
    return options_.header;
  }

  void find_types() {
    CsvRecords records(path_, options_.separator);
    bool first = true;
    while (records.next()) {
      if (first && begin(records)) {
        first = false;
        continue;
      }
      first = false;
      check(records.size() == table_.columns.size(), path_, ":", records.line(), ": ", records.size(),
            records.size() == 1 ? " cell" : " cells", ": need ", table_.columns.size(), ", as in the first record");
      for (std::size_t i = 0; i < records.size(); ++i) note_type(table_.columns[i], records.cell(i), records.line());
      ++count_;
    }
    check(!table_.columns.empty(), path_, ": no records: need at least one");
  }

  void note_type(CsvColumn& column, const CsvCell& cell, std::int64_t line) {
    if (column.first_word_line != 0 || is_missing(cell) || number_of(cell.text)) return;
    constexpr std::size_t kMostShown = 40;
    column.first_word_line = line;
    column.first_word = cell.text.substr(0, kMostShown);
    column.is_numeric = false;
  }

  void allocate() {
    constexpr std::uint64_t kLineBytes = 8;
    std::uint64_t record_bytes = kLineBytes;
    for (const CsvColumn& column : table_.columns) {
      record_bytes += column.is_numeric ? sizeof(double) : sizeof(std::uint32_t);
    }
    check(count_ <= options_.most_bytes / record_bytes, path_, ": ", count_, " records of ", table_.columns.size(),
          " columns need ", count_ * record_bytes, " bytes of memory: need at most ", options_.most_bytes);
    table_.lines.reserve(count_);
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
      CsvColumn& column = table_.columns[i];
      if (kept_[i]) column.is_numeric ? column.numbers.reserve(count_) : column.words.reserve(count_);
    }
  }

  void fill() {
    CsvRecords records(path_, options_.separator);
    if (options_.header) records.next();
    std::vector<std::unordered_map<std::string, std::uint32_t>> known(table_.columns.size());
    while (records.next()) {
      check(records.size() == table_.columns.size() && table_.lines.size() < count_, path_,
            ": changed while it was read: need a file that nobody writes to");
      for (std::size_t i = 0; i < records.size(); ++i) add(i, records.cell(i), known[i]);
      table_.lines.push_back(records.line());
    }
  }

  void add(std::size_t number, const CsvCell& cell, std::unordered_map<std::string, std::uint32_t>& known) {
    CsvColumn& column = table_.columns[number];
    const bool missing = is_missing(cell);
    if (missing) column.missing.push_back(table_.records());
    if (column.is_numeric) {
      if (kept_[number]) column.numbers.push_back(missing ? 0 : number_of(cell.text).value_or(0));
      return;
    }
    if (missing) {
      if (kept_[number]) column.words.push_back(0);
      return;
    }
    const auto next = static_cast<std::uint32_t>(column.dictionary.size());
    const auto [place, is_new] = known.emplace(cell.text, next);
    if (is_new) {
      count_text(cell.text.size());
      column.dictionary.push_back(cell.text);
    }
    if (kept_[number]) column.words.push_back(place->second);
  }

  void count_text(std::size_t bytes) {
    constexpr std::uint64_t kOfEntry = 128;  // both copies of a word, less their letters
    text_bytes_ += 2 * bytes + kOfEntry;
    check(text_bytes_ <= options_.most_bytes, path_, ": the distinct words need more than ", options_.most_bytes,
          " bytes of memory: need columns of numbers, or of fewer words");
  }

  const std::string& path_;
  const CsvOptions& options_;
  std::unordered_set<std::string> missing_;
  std::unordered_set<std::string> text_columns_;
  std::optional<std::unordered_set<std::string>> kept_columns_;
  std::vector<bool> kept_;  // by column
  std::unordered_map<std::string, std::size_t> numbers_;
  std::uint64_t count_ = 0;
  std::uint64_t text_bytes_ = 0;
  CsvTable table_;
};

}  // namespace

std::int64_t CsvTable::find(const std::string& name) const {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const auto& column) { return column.name == name; });
  return found == columns.end() ? -1 : found - columns.begin();
}

CsvTable read_csv(const std::string& path, const CsvOptions& options) { return TableReader(path, options).read(); }

}  // namespace backflow::io
