#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/io/shared_dump.h>

namespace backflow::train {

/// The ranks of a communicator as those that write a dump together. HDF5's calls run on the communication thread, so
/// that none of them meets another call of this communicator; HDF5 makes its own duplicate of it.
class WorldDumpRanks final : public io::DumpRanks {
 public:
  /// Keeps a reference.
  explicit WorldDumpRanks(distributed::Communicator& world) : world_(world) {}

  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }
  std::vector<std::string> all_gather(const std::string& text) override { return world_.all_gather(text); }
  void run(const std::function<void(const void* comm)>& job) override {
    world_.run([&] { job(world_.native_handle()); });
  }

 private:
  distributed::Communicator& world_;
};

}  // namespace backflow::train
