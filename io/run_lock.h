#pragma once

#include <memory>
#include <string>
#include <utility>

namespace backflow::io {

/// Says that a process writes to a run directory: an flock on DIRECTORY/lock, a file that names host and process. The
/// kernel gives the lock up when the process ends, however it ends; the file then stays and means nothing.
class RunLock {
 public:
  /// Takes the lock; null when another process holds it. A file system without locks gives one that is not enforced.
  /// Throws Error when the file cannot be opened or written. Thread-safe.
  static std::shared_ptr<RunLock> try_take(const std::string& directory);
  /// Who has it, or had it last: "process 123 on node7"; "another process" when the file does not say.
  static std::string holder(const std::string& directory);

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
