#include <backflow/io/datasets/csv_records_internal.h>

#include <backflow/runtime/base/error.h>

namespace backflow::io::detail {
namespace {

constexpr std::size_t kMostColumns = 100'000;
constexpr std::size_t kMostCellBytes = std::size_t{1} << 20;
constexpr std::size_t kBufferBytes = std::size_t{1} << 18;

void trim(std::string& text) {
  const std::size_t end = text.find_last_not_of(" \t\r");
  text.erase(end == std::string::npos ? 0 : end + 1);
  text.erase(0, text.find_first_not_of(" \t"));
}

}  // namespace

template <class... Parts>
void CsvRecords::fail_here(const Parts&... parts) const {
  fail(path_, ":", line_, ": ", parts...);
}

CsvRecords::CsvRecords(const std::string& path, char separator)
    : path_(path), source_(path), separator_(separator), buffer_(kBufferBytes) {
  skip_byte_order_mark();
}

bool CsvRecords::refill() {
  at_ = 0;
  end_ = source_.read(buffer_.data(), buffer_.size());
  return end_ > 0;
}

int CsvRecords::peek() { return at_ < end_ || refill() ? static_cast<unsigned char>(buffer_[at_]) : kEnd; }

int CsvRecords::get() {
  const int byte = peek();
  if (byte != kEnd) ++at_;
  return byte;
}

void CsvRecords::skip_byte_order_mark() {
  if (refill() && end_ >= 3 && std::string_view(buffer_.data(), 3) == "\xef\xbb\xbf") at_ = 3;
}

void CsvRecords::begin_cell() {
  if (size_ == kMostColumns)
    fail_here("more than ", kMostColumns, " cells: need fewer; is '", separator_, "' the separator?");
  if (cells_.size() == size_) cells_.emplace_back();
  cells_[size_].text.clear();
  cells_[size_].quoted = false;
  ++size_;
}

void CsvRecords::append(int byte) {
  std::string& text = cells_[size_ - 1].text;
  if (byte == 0) fail_here("cell ", size_, " holds a NUL byte: need text");
  if (text.size() == kMostCellBytes) {
    fail_here("cell ", size_, " has more than ", kMostCellBytes, " bytes: need shorter ones; is a quote not closed?");
  }
  text += static_cast<char>(byte);
}

int CsvRecords::read_plain() {
  CsvCell& cell = cells_[size_ - 1];
  for (int byte = get();; byte = get()) {
    if (byte == separator_ || byte == '\n' || byte == kEnd) {
      trim(cell.text);
      return byte;
    }
    if (byte == '"')
      fail_here("a quote inside of cell ", size_, ": need the whole cell in quotes, and quotes in it doubled");
    append(byte);
  }
}

int CsvRecords::read_quoted() {
  const std::int64_t opened = line_;
  cells_[size_ - 1].quoted = true;
  while (true) {
    const int byte = get();
    if (byte == kEnd) {
      line_ = opened;
      fail_here("the quote that opens cell ", size_, " is not closed: need another quote");
    }
    if (byte == '"' && peek() != '"') break;
    if (byte == '"') get();
    if (byte == '\n') ++line_;
    append(byte);
  }
  int byte = get();
  while (byte == ' ' || byte == '\t' || byte == '\r') byte = get();
  if (byte != separator_ && byte != '\n' && byte != kEnd) {
    fail_here("text behind the closing quote of cell ", size_, ": need a separator there");
  }
  return byte;
}

bool CsvRecords::next() {
  while (peek() == '\n' || peek() == '\r') {
    if (get() == '\n') ++line_;
  }
  if (peek() == kEnd) return false;
  record_line_ = line_;
  size_ = 0;
  int behind = separator_;
  while (behind == separator_) {
    begin_cell();
    while (peek() == ' ' || peek() == '\t') {
      if (peek() == separator_) break;
      get();
    }
    if (peek() == '"') {
      get();
      behind = read_quoted();
    } else {
      behind = read_plain();
    }
  }
  if (behind == '\n') ++line_;
  return true;
}

}  // namespace backflow::io::detail
