#include <backflow/train/run/snapshot.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::train {
namespace {

/// Part of a copy. Large tensors have many, so that the threads share one.
struct Piece {
  std::byte* to;
  const std::byte* from;
  std::size_t bytes;
};

void add_pieces(std::vector<Piece>& pieces, const Tensor& to, const Tensor& from) {
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  auto* const target = static_cast<std::byte*>(to.mutable_data_ptr());
  const auto* const source = static_cast<const std::byte*>(from.const_data_ptr());
  for (std::size_t done = 0; done < from.nbytes(); done += kBytes) {
    pieces.push_back({target + done, source + done, std::min(kBytes, from.nbytes() - done)});
  }
}

bool is_nobody_elses(const Tensor& x) { return x.use_count() == 1 && x.impl().storage->has_sole_owner(); }

std::string key_of(const io::DumpGroup& group, const std::string& name) { return to_text(group.name, '/', name); }

/// The memory of `former` if it fits.
Tensor memory_for(const Tensor& tensor, const std::string& key, const std::map<std::string, Tensor>& former) {
  const auto found = former.find(key);
  const bool fits = found != former.end() && found->second.sizes() == tensor.sizes() &&
                    found->second.scalar_type() == tensor.scalar_type();
  return fits ? found->second : empty_tensor(tensor.sizes(), tensor.scalar_type());
}

}  // namespace

void Snapshot::reserve(const io::Dump& dump) {
  release();
  const std::map<std::string, Tensor> former = std::exchange(memory_, {});
  std::vector<Piece> pieces;
  for (const io::DumpGroup& group : io::kDumpGroups) {
    for (const auto& [name, tensor] : dump.*group.tensors) {
      if (!tensor.defined() || is_nobody_elses(tensor)) {
        continue;
      }
      const std::string key = key_of(group, name);
      const Tensor memory = memory_for(tensor, key, former);
      add_pieces(pieces, memory, memory);
      memory_.insert_or_assign(key, memory);
    }
  }
  parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
    const Piece& piece = pieces[static_cast<std::size_t>(i)];
    std::memset(piece.to, 0, piece.bytes);
  });
}

const io::Dump& Snapshot::take(io::Dump dump) {
  const NoGradGuard no_grad;
  release();
  const std::map<std::string, Tensor> former = std::exchange(memory_, {});
  std::vector<Piece> pieces;
  std::vector<Tensor> sources;  // which live until their pieces are copied
  for (const io::DumpGroup& group : io::kDumpGroups) {
    for (auto& [name, tensor] : dump.*group.tensors) {
      if (!tensor.defined() || is_nobody_elses(tensor)) {
        continue;
      }
      const std::string key = key_of(group, name);
      Tensor copy = memory_for(tensor, key, former);
      if (tensor.is_contiguous()) {
        add_pieces(pieces, copy, tensor);
      } else {
        copy.copy_(tensor.detach());
      }
      memory_.insert_or_assign(key, copy);
      sources.push_back(std::exchange(tensor, std::move(copy)));
    }
  }
  parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
    const Piece& piece = pieces[static_cast<std::size_t>(i)];
    std::memcpy(piece.to, piece.from, piece.bytes);
  });
  dump_ = std::move(dump);
  return dump_;
}

std::int64_t tensor_bytes(const io::Dump& dump) {
  std::size_t bytes = 0;
  for (const io::DumpGroup& group : io::kDumpGroups) {
    for (const auto& [name, tensor] : dump.*group.tensors) {
      bytes += tensor.nbytes();
    }
  }
  return static_cast<std::int64_t>(bytes);
}

std::int64_t tensor_bytes(const io::SharedDump& share) {
  std::int64_t bytes = tensor_bytes(share.dump);
  for (const io::TensorShare& x : share.optimizer) {
    const std::int64_t numel = std::accumulate(x.sizes.begin(), x.sizes.end(), std::int64_t{1}, std::multiplies<>());
    bytes += numel * static_cast<std::int64_t>(element_size(x.elements.scalar_type()));
  }
  return bytes;
}

}  // namespace backflow::train
