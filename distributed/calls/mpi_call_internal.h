#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace backflow::distributed {

/// What a rank is about to do; all ranks must be about to do the same. Compared before every call, so that different
/// sizes are an Error on all ranks rather than a hang or a wrong sum.
struct MpiCall {
  enum class Kind : std::int64_t {
    Barrier,
    AllReduce,
    AllReduceAsync,
    ReduceScatterAsync,
    AllGatherAsync,
    Broadcast,
    AllGather,
    TreeSum,
    Duplicate,
    End
  };
  Kind kind = Kind::Barrier;
  std::int64_t count = 0;
  std::int64_t dtype = 0;
  std::int64_t tag = 0;  ///< of an asynchronous reduction or a sum in a tree; the root of a broadcast

  std::array<std::int64_t, 4> words() const { return {static_cast<std::int64_t>(kind), count, dtype, tag}; }
  bool is_of_bucket() const {
    return kind == Kind::AllReduceAsync || kind == Kind::ReduceScatterAsync || kind == Kind::AllGatherAsync ||
           (kind == Kind::TreeSum && tag != 0);
  }
  static MpiCall of(const std::array<std::int64_t, 4>& words) {
    return {static_cast<Kind>(words[0]), words[1], words[2], words[3]};
  }
  /// For messages: "broadcast f32[10] from rank 0".
  std::string text() const;
};

}  // namespace backflow::distributed
