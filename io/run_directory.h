#pragma once

#include <ctime>
#include <string>

namespace backflow::io {

/// The folder of one run: config.toml, environment.json, metrics.jsonl, log.txt, checkpoints/.
class RunDirectory {
 public:
  /// Makes DIRECTORY, with checkpoints/ in it and the folders above it; one that exists is used as it is.
  static RunDirectory at(const std::string& directory);
  /// Makes PARENT/NAME/DATE-TIME, as "runs/fashion_mnist_mlp/2025-01-31_09-05-59", with "-2", "-3" ... behind it when
  /// another run has that name. `now` is for tests.
  static RunDirectory unique(const std::string& name, const std::string& parent = "runs",
                             std::time_t now = std::time(nullptr));
  // Both throw Error when the folder cannot be made or written to, or `name` cannot be a folder's. One rank makes the
  // folder and tells the others.

  const std::string& path() const { return path_; }
  /// The path of a file in the folder.
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoints() const { return file("checkpoints"); }
  /// The path of a checkpoint, "…/checkpoints/step-000000938.h5".
  std::string checkpoint(long long step) const;
  /// Its name there, "step-000000938.h5".
  static std::string checkpoint_name(long long step);
  /// The name of the checkpoint that was best by a metric.
  static constexpr const char* kBest = "best.h5";

 private:
  explicit RunDirectory(std::string path);

  std::string path_;
};

}  // namespace backflow::io
