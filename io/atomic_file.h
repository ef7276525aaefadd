#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace backflow::io {

/// A file that is there in full or not at all: written under a unique temporary name in the same directory, flushed to
/// the disk and renamed by commit(). Until then, and when anything fails, an earlier file of the name stays untouched;
/// the destructor removes what was not committed. A symbolic link of that name is replaced, not followed.
/// All errors are Error, as "PATH: cannot write: No space left on device". Not thread-safe; several files are
/// independent.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends.
  void write(const void* data, std::size_t bytes);
  void commit();

 private:
  [[noreturn]] void fail_to(const char* what) const;

  std::string path_;
  std::string directory_;
  std::string temporary_;
  int file_ = -1;
};

/// Whether a file of this name is one that AtomicFile writes, not committed yet, or never since its process was killed.
bool is_temporary(std::string_view name);

/// Writes a whole small file by way of AtomicFile. Thread-safe.
void write_file_atomically(const std::string& path, std::string_view content);

}  // namespace backflow::io
