#pragma once

#include <memory>
#include <string>
#include <utility>

namespace backflow::io {

/// Marks a run directory as in use by a process: an flock on DIRECTORY/lock, a file that names host and process. The
/// kernel releases the lock when the process ends, even if it is killed. The file then stays, without meaning.
class RunLock {
 public:
  /// Takes the lock; null when another process holds it. On a file system without locks the result is not enforced.
  /// Throws Error when the file cannot be opened or written. Thread-safe.
  static std::shared_ptr<RunLock> try_take(const std::string& directory);
  /// The present or last holder: "process 123 on node7"; "another process" when the file does not say.
  static std::string holder(const std::string& directory);
  /// Whether a process holds the lock now, as far as this file system can tell. For reports: it may end any time.
  static bool is_taken(const std::string& directory);

  /// Removes the file.
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// False on a file system that knows no locks, as some mounts of NFS and Lustre: others are not kept out there.
  bool is_enforced() const { return enforced_; }

 private:
  RunLock(std::string path, int file) : path_(std::move(path)), file_(file) {}
  bool is_of_path() const;
  void write_holder() const;

  std::string path_;
  int file_;
  bool enforced_ = true;
};

}  // namespace backflow::io
