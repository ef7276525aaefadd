#include <algorithm>
#include <cstring>

#include <backflow/distributed/calls/call_times_internal.h>
#include <backflow/distributed/node/node_sums_internal.h>
#include <backflow/ops/kernels/reductions/sum_buffers.h>
#include <backflow/runtime/base/error.h>

namespace backflow::distributed {
namespace {

/// Of each buffer, in one piece: taking a piece costs some 100 ns, and two ranks' pieces fit into the second cache.
constexpr std::int64_t kPieceBytes = std::int64_t{128} << 10;
/// Of all buffers: less than that is summed sooner than a sleeping rank wakes up.
constexpr std::int64_t kWakeBytes = std::int64_t{256} << 10;

std::int64_t element_bytes(const Buffer& x) { return static_cast<std::int64_t>(element_size(x.dtype)); }

std::vector<std::byte*> moved(std::span<std::byte* const> buffers, std::int64_t bytes) {
  std::vector<std::byte*> out(buffers.begin(), buffers.end());
  std::for_each(out.begin(), out.end(), [bytes](std::byte*& buffer) { buffer += bytes; });
  return out;
}

/// The first rank's elements, to all others.
auto copy_from_first(const Buffer& x) {
  return [bytes_each = element_bytes(x)](std::span<std::byte* const> buffers, std::int64_t, std::int64_t n) {
    for (std::byte* const to : buffers.subspan(1)) {
      std::memcpy(to, buffers[0], static_cast<std::size_t>(n * bytes_each));
    }
  };
}

}  // namespace

void NodeSums::use(BetweenNodes* link) {
  link_ = link;
  node_of_.clear();
  for (int node = 0; link != nullptr && node < link->size(); ++node) {
    for (const int rank : link->ranks_of(node)) {
      node_of_.resize(std::max(node_of_.size(), static_cast<std::size_t>(rank) + 1));
      node_of_[static_cast<std::size_t>(rank)] = node;
    }
  }
  index_of_.assign(std::max(node_of_.size(), static_cast<std::size_t>(node_.size())), -1);
  for (int i = 0; i < node_.size(); ++i) {
    const auto rank = static_cast<std::size_t>(node_.rank_of(i));
    check(rank < index_of_.size(), "communicator: rank ", rank, " on a node of a job of ", index_of_.size(),
          " ranks: need numbers below that");
    index_of_[rank] = i;
  }
}

/// Calls f(rank, begin, n) for the parts of [begin, begin + n) when each rank of the job owns `part` elements.
template <class F>
void NodeSums::for_parts(std::int64_t begin, std::int64_t n, std::int64_t part, const F& f) const {
  for (std::int64_t i = begin; i < begin + n;) {
    const std::int64_t owner = i / part;
    const std::int64_t end = std::min(begin + n, (owner + 1) * part);
    f(static_cast<std::size_t>(owner), i, end - i);
    i = end;
  }
}

BetweenNodes::Shares NodeSums::shares_of_parts(std::int64_t begin, std::int64_t n, std::int64_t part) const {
  BetweenNodes::Shares shares(static_cast<std::size_t>(link_->size()));
  for_parts(begin, n, part, [&](std::size_t owner, std::int64_t i, std::int64_t count) {
    shares[static_cast<std::size_t>(node_of_[owner])].push_back({i - begin, count});
  });
  return shares;
}

bool NodeSums::agree(const MpiCall& call) {
  constexpr std::int64_t kNoElements = 0;
  return run(call, {nullptr, kNoElements, kUInt8}, {});
}

bool NodeSums::all_reduce(const MpiCall& call, const Buffer& x) {
  if (link_ == nullptr) {
    return run(call, x, {[&](std::span<std::byte* const> buffers, std::int64_t, std::int64_t n) {
                 kernels::sum_buffers(x.dtype, buffers, buffers, n);
               }});
  }
  const auto inside = [&](std::span<std::byte* const> buffers, std::int64_t, std::int64_t n) {
    kernels::sum_buffers(x.dtype, buffers, buffers.first(1), n);
  };
  const auto between = [&](std::byte* data, std::int64_t, std::int64_t n) {
    BetweenNodes::Shares shares;
    for (std::int64_t node = 0; node < link_->size(); ++node) {
      const std::int64_t begin = n * node / link_->size();
      shares.push_back({{begin, n * (node + 1) / link_->size() - begin}});
    }
    link_->reduce_scatter(data, x.dtype, shares);
    link_->all_gather(data, x.dtype, shares);
  };
  return run(call, x, {inside, between, copy_from_first(x)});
}

bool NodeSums::reduce_scatter(const MpiCall& call, const Buffer& x) {
  const std::int64_t part = x.count / static_cast<std::int64_t>(index_of_.size());
  // Its owner gets a part, if that is here; on several nodes at first the leader.
  const auto inside = [&, part](std::span<std::byte* const> buffers, std::int64_t begin, std::int64_t n) {
    for_parts(begin, n, part, [&](std::size_t owner, std::int64_t i, std::int64_t count) {
      const std::vector<std::byte*> from = moved(buffers, (i - begin) * element_bytes(x));
      const auto to = link_ == nullptr ? static_cast<std::size_t>(index_of_[owner]) : 0;
      kernels::sum_buffers(x.dtype, from, {&from[to], 1}, count);
    });
  };
  const auto between = [&, part](std::byte* data, std::int64_t begin, std::int64_t n) {
    link_->reduce_scatter(data, x.dtype, shares_of_parts(begin, n, part));
  };
  const auto back = [&, part](std::span<std::byte* const> buffers, std::int64_t begin, std::int64_t n) {
    for_parts(begin, n, part, [&](std::size_t owner, std::int64_t i, std::int64_t count) {
      if (index_of_[owner] > 0) {
        const std::vector<std::byte*> at = moved(buffers, (i - begin) * element_bytes(x));
        std::memcpy(at[static_cast<std::size_t>(index_of_[owner])], at[0],
                    static_cast<std::size_t>(count * element_bytes(x)));
      }
    });
  };
  return run(call, x, {inside, between, back});
}

bool NodeSums::all_gather(const MpiCall& call, const Buffer& x) {
  const std::int64_t part = x.count / static_cast<std::int64_t>(index_of_.size());
  // To all that are here; on several nodes at first to the leader.
  const auto inside = [&, part](std::span<std::byte* const> buffers, std::int64_t begin, std::int64_t n) {
    for_parts(begin, n, part, [&](std::size_t owner, std::int64_t i, std::int64_t count) {
      const std::vector<std::byte*> at = moved(buffers, (i - begin) * element_bytes(x));
      const int from = index_of_[owner];
      for (int k = 0; from >= 0 && k < (link_ == nullptr ? node_.size() : 1); ++k) {
        if (k != from) {
          std::memcpy(at[static_cast<std::size_t>(k)], at[static_cast<std::size_t>(from)],
                      static_cast<std::size_t>(count * element_bytes(x)));
        }
      }
    });
  };
  const auto between = [&, part](std::byte* data, std::int64_t begin, std::int64_t n) {
    link_->all_gather(data, x.dtype, shares_of_parts(begin, n, part));
  };
  return run(call, x, {inside, between, copy_from_first(x)});
}

/// In one go, or between nodes in few parts, when all buffers lie in shared memory; else in parts of the size of the
/// staging block.
bool NodeSums::run(const MpiCall& call, const Buffer& x, const Phases& phases) {
  auto* const data = static_cast<std::byte*>(x.data);
  Place place = x.count > 0 ? places_(data) : Place();
  const bool is_staged = place.segment == 0;
  if (is_staged) {
    place = places_(staging_);
    place.staged = 1;
  }
  std::int64_t begin = 0;
  Agreement agreement = Agreement::Staged;  // at first nobody knows whether other nodes' data are staged
  do {
    const std::int64_t most = agreement == Agreement::Mapped ? kPartBytes : kStagingBytes;
    std::int64_t n = std::min(most / element_bytes(x), x.count - begin);
    const auto bytes = static_cast<std::size_t>(n * element_bytes(x));
    if (is_staged && n > 0) {
      std::memcpy(staging_, data + begin * element_bytes(x), bytes);
    }
    agreement = run_part(call, x, place, begin, n, phases, agreement);
    if (agreement == Agreement::None) {
      return false;
    }
    if (is_staged && n > 0) {
      std::memcpy(data + begin * element_bytes(x), staging_, bytes);
    }
    begin += n;
  } while (begin < x.count);
  return true;
}

/// Elements from `begin` on: `n` of them, or more when no rank needs the staging block.
Agreement NodeSums::run_part(const MpiCall& call, const Buffer& x, const Place& place, std::int64_t begin,
                             std::int64_t& n, const Phases& phases, Agreement before) {
  const bool same = node_.arrive(call, place, wake_for(x, n));
  if (link_ == nullptr && !same) {
    return Agreement::None;
  }
  if (link_ != nullptr) {
    return exchange(call, x, place, begin, n, phases, begin > 0 ? before : agreement_here(same));
  }
  if (!any_staged()) {
    n = x.count - begin;
  }
  share(x, begin, n, phases.inside);
  return Agreement::Staged;
}

Agreement NodeSums::exchange(const MpiCall& call, const Buffer& x, const Place& place, std::int64_t begin,
                             std::int64_t n, const Phases& phases, Agreement agreement) {
  const bool leads = node_.index() == 0;
  const bool is_first = begin == 0;  // later the nodes are known to agree
  if (leads && is_first) {
    link_->begin_agreement(call, agreement);
  }
  if (agreement != Agreement::None) {
    share(x, begin, n, phases.inside);
  }
  if (leads) {
    node_.set_outside(true);
    try {
      if (is_first) {
        const ArrivalTime arrival;
        agreement = link_->end_agreement();
        arrival.end();
        node_.note_met();
      }
      if (agreement != Agreement::None && n > 0) {
        phases.between(own_buffer(x, place, begin), begin, n);
      }
    } catch (...) {
      node_.set_outside(false);  // the others have their limits again
      throw;
    }
    node_.set_outside(false);
  }
  node_.arrive(call, place, wake_for(x, n), static_cast<int>(agreement));
  agreement = static_cast<Agreement>(node_.posted(0).verdict);
  if (agreement != Agreement::None) {
    share(x, begin, n, phases.back);
  }
  return agreement;
}

NodeRendezvous::Wake NodeSums::wake_for(const Buffer& x, std::int64_t n) const {
  const bool is_small = n > 0 && n * element_bytes(x) * node_.size() <= kWakeBytes;
  return is_small ? NodeRendezvous::Wake::WhenDone : NodeRendezvous::Wake::Now;
}

std::byte* NodeSums::own_buffer(const Buffer& x, const Place& place, std::int64_t begin) const {
  return place.staged != 0 ? staging_ : static_cast<std::byte*>(x.data) + begin * element_bytes(x);
}

Agreement NodeSums::agreement_here(bool same) const {
  return !same ? Agreement::None : any_staged() ? Agreement::Staged : Agreement::Mapped;
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
    if (i == node_.index()) {
      buffers.push_back(own_buffer(x, place, begin));
      continue;
    }
    std::byte* const address = addresses_(i, place);
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
