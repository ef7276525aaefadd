#pragma once

#include <memory>
#include <string>

#include <backflow/io/run_lock.h>

namespace backflow::train {

/// The directory of a sweep, which no other process uses meanwhile.
class SweepDirectory {
 public:
  /// Makes `path`, or takes it over; empty for sweeps/NAME/DATE-TIME. Throws io::ConfigError for one that holds a sweep
  /// already, unless `resume`, and for one that another process uses.
  SweepDirectory(const std::string& path, const std::string& name, bool resume);

  const std::string& path() const { return path_; }
  std::string run(const std::string& name) const { return path_ + "/runs/" + name; }
  std::string config(const std::string& name) const { return path_ + "/configs/" + name + ".toml"; }
  std::string log(const std::string& name) const { return path_ + "/logs/" + name + ".txt"; }

  /// Writes the configuration of a run. Throws io::ConfigError, with the first key that differs, when a run of this
  /// name was started with another one.
  void add_config(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
  std::shared_ptr<io::RunLock> lock_;
};

}  // namespace backflow::train
