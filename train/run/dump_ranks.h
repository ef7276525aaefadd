#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/io/shared_dump.h>

namespace backflow::train {

/// The ranks of a communicator as those that write a dump together. HDF5's calls run on the communication thread, so
/// that none of them meets another call of this communicator; HDF5 makes its own duplicate of it. When these calls make
/// no progress for `timeout_s`, the job ends with an error, since MPI cannot be called any more.
class WorldDumpRanks final : public io::DumpRanks {
 public:
  /// Keeps a reference.
  WorldDumpRanks(distributed::Communicator& world, double timeout_s) : world_(world), timeout_s_(timeout_s) {}

  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }
  std::vector<std::string> all_gather(const std::string& text) override { return world_.all_gather(text); }
  void run(const std::function<void(const void* comm)>& job) override;
  void note_progress() noexcept override { ++written_; }

 private:
  distributed::Communicator& world_;
  double timeout_s_;
  std::atomic<std::int64_t> written_{0};
};

}  // namespace backflow::train
