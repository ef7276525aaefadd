#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace backflow::train {

/// Reads the lines of a file that somebody may still append to. Memory is bounded by the longest line that is accepted.
/// Not thread-safe.
class LineReader {
 public:
  /// What next() found.
  enum class Found {
    Line,     ///< a complete line
    TooLong,  ///< a line of more than `longest` bytes, which is left out
    Nothing,  ///< no further complete line, for now
  };

  explicit LineReader(std::string path, std::size_t longest = std::size_t{16} << 20)
      : path_(std::move(path)), longest_(longest) {}
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// Looks at the file again: true when it is not the one of before, or has become shorter; reading then starts at its
  /// beginning. next() goes as far as the file goes now, so it comes to an end however fast somebody writes. Throws
  /// Error when it cannot be opened. To be called first.
  bool open();
  /// The next line, without its end. Throws Error when the file cannot be read.
  Found next(std::string& line);
  /// Whether there is a last line without an end, as of a writer that was killed. After Nothing.
  bool has_rest() const { return taken_ < buffer_.size() || too_long_; }

 private:
  bool fill();

  std::string path_;
  std::size_t longest_;
  int file_ = -1;
  std::int64_t offset_ = 0;   ///< of what has not been read
  std::int64_t end_ = 0;      ///< of the file when it was looked at
  std::string buffer_;        ///< what has been read
  std::size_t taken_ = 0;     ///< the part of it that has been given out
  std::size_t searched_ = 0;  ///< the part of it behind which a line break may be
  bool too_long_ = false;     ///< inside a line that is left out
};

}  // namespace backflow::train
