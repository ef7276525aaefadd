#include <backflow/train/run/replicas.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <backflow/train/exit_code.h>
#include <backflow/train/run/agreement.h>
#include <backflow/train/run/digest.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

/// With 0x, so that nobody takes two for equal numbers.
std::string text_of(std::uint64_t digest) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(digest));
  return text;
}

Facts digests_of(const io::Dump& replica) {
  Facts facts;
  for (const auto& [kind, tensors] :
       {std::pair("parameter", &replica.parameters), std::pair("buffer", &replica.buffers),
        std::pair("optimizer state", &replica.optimizer)}) {
    for (const auto& [name, tensor] : *tensors) {
      facts.emplace_back(to_text("the digest of ", kind, " '", name, "'"), text_of(digest_of_tensor(tensor)));
    }
  }
  return facts;
}

}  // namespace

void check_replicas(distributed::Communicator& world, std::int64_t step, const io::Dump& replica) {
  if (world.size() == 1) {
    return;
  }
  const Facts own = digests_of(replica);
  std::string all_own;
  for (const auto& [name, digest] : own) {
    all_own += name + digest;
  }
  const std::vector<std::string> all = world.all_gather(text_of(digest_of(std::as_bytes(std::span(all_own)))));
  if (std::all_of(all.begin(), all.end(), [&](const std::string& digest) { return digest == all.front(); })) {
    return;
  }
  throw SharedFailure(to_text("ranks differ after step ", step, ": ", differences_between_ranks(world, own),
                              ": need the same on all ranks; memory or a processor may be faulty; --resume auto goes "
                              "on from the last dump"),
                      kFailed);
}

}  // namespace backflow::train
