#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace backflow::io {

/// A file that is written in full or not at all. It has a unique temporary name in the same directory; commit() flushes
/// it to the disk and renames it. Until then, and when anything fails, an earlier file of that name stays untouched.
/// The destructor removes an uncommitted file. A symbolic link of that name is replaced, not followed. All errors are
/// Error, as "PATH: cannot write: No space left on device". Not thread-safe, but for write_at(); several files are
/// independent.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends.
  void write(const void* data, std::size_t bytes);
  /// Writes at an offset from the start. Several threads may write different bytes at a time.
  void write_at(std::uint64_t offset, const void* data, std::size_t bytes) const;
  /// Makes the file so long, with zeros at its end. Where the file system can, it sets the room apart: what fails
  /// later without room fails here.
  void reserve(std::uint64_t bytes) const;
  /// Cuts the file or makes it longer.
  void resize(std::uint64_t bytes) const;
  /// What has been written is on the disk afterwards, and other nodes see it.
  void flush() const;
  /// The name until commit().
  const std::string& temporary() const { return temporary_; }
  /// The disk may begin with these bytes, which have been written: commit() then waits for less. Thread-safe.
  void start_flush(std::uint64_t offset, std::size_t bytes) const;
  void commit();

 private:
  [[noreturn]] void fail_to(const char* what) const;

  std::string path_;
  std::string directory_;
  std::string temporary_;
  int file_ = -1;
};

/// Whether this is the name of a temporary file of AtomicFile: of one being written, or left by a killed process. Also
/// of files that MPI puts beside one, as Open MPI's "NAME.tmp.locktest.0".
bool is_temporary(std::string_view name);

/// Writes a whole small file with AtomicFile. Thread-safe.
void write_file_atomically(const std::string& path, std::string_view content);

}  // namespace backflow::io
