#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <backflow/distributed/node/node_control_internal.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::distributed {

/// Memory of this process that the other ranks of its node can map. Each block is an anonymous file (memfd) of its own,
/// which another process of the same user opens through /proc. So a block may be made at any time, by one rank alone.
/// Nothing is left behind by a process that is killed, and the size of /dev/shm is no limit, as it is for MPI windows:
/// in a container that is often 64 MB. Thread-safe.
class NodeMemory : public std::enable_shared_from_this<NodeMemory> {
 public:
  NodeMemory() = default;
  NodeMemory(const NodeMemory&) = delete;
  NodeMemory& operator=(const NodeMemory&) = delete;
  ~NodeMemory();

  /// A tensor of zeros in a block of its own; undefined when the system gives none. It keeps this object alive.
  Tensor allocate(std::int64_t numel, ScalarType dtype);
  /// A block of zeros, until release(); null when the system gives none.
  std::byte* map_block(std::size_t bytes);
  void release(const std::byte* block) noexcept;
  /// Where `data` lies, if in a block.
  Place place_of(const void* data) const;

 private:
  struct Block {
    std::uint64_t id = 0;
    std::size_t bytes = 0;
    int file = -1;
  };

  mutable std::mutex mutex_;
  std::map<const std::byte*, Block> blocks_;
  std::uint64_t last_id_ = 0;
};

/// The blocks of other processes that this one has mapped. Not thread-safe.
class PeerMemory {
 public:
  PeerMemory() = default;
  PeerMemory(const PeerMemory&) = delete;
  PeerMemory& operator=(const PeerMemory&) = delete;
  ~PeerMemory();

  /// The bytes at a place of `process`; null when they cannot be mapped.
  std::byte* address(std::int32_t process, const Place& place);

 private:
  struct Mapping {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
    std::uint64_t last_use = 0;
  };
  using Key = std::pair<std::int32_t, std::uint64_t>;

  void drop_oldest();

  std::map<Key, Mapping> mappings_;
  std::uint64_t uses_ = 0;
};

}  // namespace backflow::distributed
