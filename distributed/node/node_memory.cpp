#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include <backflow/distributed/node/node_memory_internal.h>

namespace backflow::distributed {
namespace {

/// Mappings of blocks that their owners have freed cost addresses but no memory; more than these are too many.
constexpr std::size_t kMaxMappings = 4096;

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (std::max<std::size_t>(bytes, 1) + page - 1) / page * page;
}

#ifdef __linux__
int make_file() { return memfd_create("backflow", MFD_CLOEXEC); }
#else
int make_file() { return -1; }  // without it ranks do not share memory
#endif

/// All pages at once: a fault for each of them would cost more than a sum.
std::byte* map_file(int file, std::size_t bytes) {
#ifdef MAP_POPULATE
  constexpr int kFlags = MAP_SHARED | MAP_POPULATE;
#else
  constexpr int kFlags = MAP_SHARED;
#endif
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kFlags, file, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

}  // namespace

NodeMemory::~NodeMemory() {
  while (!blocks_.empty()) {
    release(blocks_.begin()->first);
  }
}

std::byte* NodeMemory::map_block(std::size_t bytes) {
  Block block{.bytes = whole_pages(bytes), .file = make_file()};
  if (block.file < 0) {
    return nullptr;
  }
  std::byte* data = nullptr;
  // Reserved, not only sized: else a node without memory would end the process with SIGBUS at the first touch.
  int error = EINTR;
  while (error == EINTR) {  // a signal
    error = posix_fallocate(block.file, 0, static_cast<off_t>(block.bytes));
  }
  if (error == 0) {
    data = map_file(block.file, block.bytes);
  }
  if (data == nullptr) {
    close(block.file);
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  block.id = ++last_id_;
  blocks_.emplace(data, block);
  return data;
}

void NodeMemory::release(const std::byte* data) noexcept {
  Block block;
  {
    const std::lock_guard lock(mutex_);
    const auto at = blocks_.find(data);
    block = at->second;
    blocks_.erase(at);
  }
  munmap(const_cast<std::byte*>(data), block.bytes);
  // The others may have it mapped still, and do not touch it any more: give the pages back now.
  static_cast<void>(ftruncate(block.file, 0));
  close(block.file);
}

Tensor NodeMemory::allocate(std::int64_t numel, ScalarType dtype) {
  const std::size_t bytes = static_cast<std::size_t>(numel) * element_size(dtype);
  std::byte* data = bytes > 0 ? map_block(bytes) : nullptr;
  if (data == nullptr) {
    return {};
  }
  const auto free = [self = shared_from_this()](void* block) { self->release(static_cast<std::byte*>(block)); };
  return Tensor(TensorImpl::make(Storage::wrap(data, bytes, free), dtype, {numel}));
}

Place NodeMemory::place_of(const void* data) const {
  const auto* byte = static_cast<const std::byte*>(data);
  const std::lock_guard lock(mutex_);
  auto at = blocks_.upper_bound(byte);
  if (at == blocks_.begin()) {
    return {};
  }
  --at;
  const auto offset = static_cast<std::size_t>(byte - at->first);
  const Block& block = at->second;
  return offset < block.bytes ? Place{block.id, offset, block.bytes, block.file} : Place{};
}

PeerMemory::~PeerMemory() {
  for (const auto& [key, mapping] : mappings_) {
    munmap(mapping.data, mapping.bytes);
  }
}

std::byte* PeerMemory::address(std::int32_t process, const Place& place) {
  Mapping& mapping = mappings_[{process, place.segment}];
  if (mapping.data == nullptr) {
    const std::string path = "/proc/" + std::to_string(process) + "/fd/" + std::to_string(place.file);
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file >= 0) {
      mapping.data = map_file(file, place.bytes);
      close(file);
    }
    if (mapping.data == nullptr) {
      mappings_.erase({process, place.segment});
      return nullptr;
    }
    mapping.bytes = place.bytes;
  }
  mapping.last_use = ++uses_;
  std::byte* data = mapping.data + place.offset;
  if (mappings_.size() > kMaxMappings) {
    drop_oldest();
  }
  return data;
}

void PeerMemory::drop_oldest() {
  const auto oldest = std::min_element(mappings_.begin(), mappings_.end(), [](const auto& a, const auto& b) {
    return a.second.last_use < b.second.last_use;
  });
  munmap(oldest->second.data, oldest->second.bytes);
  mappings_.erase(oldest);
}

}  // namespace backflow::distributed
