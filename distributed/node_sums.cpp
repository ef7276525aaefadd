#include <algorithm>
#include <cstring>

#include <backflow/distributed/node_sums_internal.h>
#include <backflow/ops/kernels/reductions/sum_buffers.h>
#include <backflow/runtime/base/error.h>

namespace backflow::distributed {
namespace {

/// Of each buffer, in one piece: taking a piece costs some 100 ns, and two ranks' pieces fit into the second cache.
constexpr std::int64_t kPieceBytes = std::int64_t{128} << 10;
/// Of all buffers: less than that is summed sooner than a sleeping rank wakes up.
constexpr std::int64_t kWakeBytes = std::int64_t{256} << 10;

std::int64_t element_bytes(const Buffer& x) { return static_cast<std::int64_t>(element_size(x.dtype)); }

/// Calls f(owner, begin, n) for the parts of [begin, begin + n) when each rank owns `part` elements.
template <class F>
void for_parts(std::int64_t begin, std::int64_t n, std::int64_t part, const F& f) {
  for (std::int64_t i = begin; i < begin + n;) {
    const std::int64_t owner = i / part;
    const std::int64_t end = std::min(begin + n, (owner + 1) * part);
    f(static_cast<std::size_t>(owner), i, end - i);
    i = end;
  }
}

std::vector<std::byte*> moved(std::span<std::byte* const> buffers, std::int64_t bytes) {
  std::vector<std::byte*> out(buffers.begin(), buffers.end());
  std::for_each(out.begin(), out.end(), [bytes](std::byte*& buffer) { buffer += bytes; });
  return out;
}

}  // namespace

bool NodeSums::all_reduce(const MpiCall& call, const Buffer& x) {
  return run(call, x, [&](std::span<std::byte* const> buffers, std::int64_t, std::int64_t n) {
    kernels::sum_buffers(x.dtype, buffers, buffers, n);
  });
}

bool NodeSums::reduce_scatter(const MpiCall& call, const Buffer& x) {
  const std::int64_t part = x.count / node_.size();
  return run(call, x, [&, part](std::span<std::byte* const> buffers, std::int64_t begin, std::int64_t n) {
    for_parts(begin, n, part, [&](std::size_t owner, std::int64_t i, std::int64_t count) {
      const std::vector<std::byte*> from = moved(buffers, (i - begin) * element_bytes(x));
      kernels::sum_buffers(x.dtype, from, {&from[owner], 1}, count);
    });
  });
}

bool NodeSums::all_gather(const MpiCall& call, const Buffer& x) {
  const std::int64_t part = x.count / node_.size();
  const std::int64_t bytes_each = element_bytes(x);
  return run(call, x, [&, part, bytes_each](std::span<std::byte* const> buffers, std::int64_t begin, std::int64_t n) {
    for_parts(begin, n, part, [&](std::size_t owner, std::int64_t i, std::int64_t count) {
      const std::vector<std::byte*> at = moved(buffers, (i - begin) * bytes_each);
      for (std::size_t k = 0; k < at.size(); ++k) {
        if (k != owner) {
          std::memcpy(at[k], at[owner], static_cast<std::size_t>(count * bytes_each));
        }
      }
    });
  });
}

/// In one go when all buffers lie in shared memory, else in parts of the size of the staging block.
bool NodeSums::run(const MpiCall& call, const Buffer& x, const Work& work) {
  auto* const data = static_cast<std::byte*>(x.data);
  Place place = x.count > 0 ? places_(data) : Place();
  const bool is_staged = place.segment == 0;
  if (is_staged) {
    place = places_(staging_);
    place.staged = 1;
  }
  const std::int64_t staged = kStagingBytes / element_bytes(x);
  std::int64_t begin = 0;
  do {
    std::int64_t n = std::min(staged, x.count - begin);
    const auto bytes = static_cast<std::size_t>(n * element_bytes(x));
    if (is_staged && n > 0) {
      std::memcpy(staging_, data + begin * element_bytes(x), bytes);
    }
    const bool is_small = x.count > 0 && n * element_bytes(x) * node_.size() <= kWakeBytes;
    using Wake = NodeRendezvous::Wake;
    if (!node_.arrive(call, place, is_small ? Wake::WhenDone : Wake::Now)) {
      return false;
    }
    if (!any_staged()) {
      n = x.count;
    }
    share(x, begin, n, work);
    if (is_staged && n > 0) {
      std::memcpy(data + begin * element_bytes(x), staging_, bytes);
    }
    begin += n;
  } while (begin < x.count);
  return true;
}

bool NodeSums::any_staged() const {
  for (int i = 0; i < node_.size(); ++i) {
    if (node_.posted(i).place.staged != 0) {
      return true;
    }
  }
  return false;
}

/// Where elements from `begin` on are, of every rank. Nothing when the others have done the work meanwhile: what they
/// have shared may be gone then.
std::vector<std::byte*> NodeSums::buffers_at(const Buffer& x, std::int64_t begin) {
  std::vector<std::byte*> buffers;
  for (int i = 0; i < node_.size(); ++i) {
    const Place& place = node_.posted(i).place;
    std::byte* address = nullptr;
    if (i != node_.index()) {
      address = addresses_(i, place);
    } else {
      address = place.staged != 0 ? staging_ : static_cast<std::byte*>(x.data);
    }
    if (address == nullptr) {
      check(node_.is_done(), "communicator: cannot map the memory of rank ", node_.rank_of(i), ": need more of it");
      return {};
    }
    buffers.push_back(place.staged != 0 ? address : address + begin * element_bytes(x));
  }
  return buffers;
}

void NodeSums::share(const Buffer& x, std::int64_t begin, std::int64_t n, const Work& work) {
  if (n == 0 || node_.is_done()) {
    return;
  }
  const std::vector<std::byte*> buffers = buffers_at(x, begin);
  if (buffers.empty()) {
    return;
  }
  const std::int64_t piece = kPieceBytes / element_bytes(x);
  node_.share((n + piece - 1) / piece, [&](std::int64_t i) {
    const std::int64_t first = i * piece;
    work(moved(buffers, first * element_bytes(x)), begin + first, std::min(piece, n - first));
  });
}

}  // namespace backflow::distributed
