#include <backflow/distributed/calls/mpi_call_internal.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/tensor/dtype.h>

namespace backflow::distributed {

std::string MpiCall::text() const {
  const auto elements = [this] { return to_text(short_name(static_cast<ScalarType>(dtype)), "[", count, "]"); };
  switch (kind) {
    case Kind::Barrier:
      return "barrier";
    case Kind::AllReduce:
      return to_text("all_reduce_sum ", elements());
    case Kind::AllReduceAsync:
      return to_text("all_reduce_async ", elements(), " with tag ", tag);
    case Kind::ReduceScatterAsync:
      return to_text("reduce_scatter_async ", elements(), " with tag ", tag);
    case Kind::AllGatherAsync:
      return to_text("all_gather_async ", elements(), " with tag ", tag);
    case Kind::Broadcast:
      return to_text("broadcast ", elements(), " from rank ", tag);
    case Kind::AllGather:
      return "all_gather";
    case Kind::TreeSum:
      return to_text("tree_sum ", elements(), " with tag ", tag);
    case Kind::Duplicate:
      return "duplicate";
    case Kind::End:
      break;
  }
  return "the end of its run";
}

}  // namespace backflow::distributed
