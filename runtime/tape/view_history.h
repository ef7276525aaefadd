#pragma once

#include <cstdint>
#include <string_view>

#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/tensor/gradient_ops.h>

namespace backflow {

/// Notes that the new tensor `y` is a view of `x`, or of what `x` is a view of.
void track_view(const Tensor& y, const Tensor& x, ViewOrigin origin);
/// The origin of a view that is made now.
ViewOrigin view_origin();

/// Throws Error when `self` can't be changed in place. In any case that is an inference tensor outside of inference
/// mode. When the operation is recorded, also a leaf that requires a gradient, a view of such a leaf, and a view whose
/// base can't take over the change: see ViewOrigin, and after set_data() or detach_() of the base. `op` is the
/// operation's name, as "add_".
void check_inplace(std::string_view op, const Tensor& self, bool recorded);

/// Counts a change of the elements of `self`.
inline void bump_version(const Tensor& self) {
  if (self.impl().is_inference) {
    self.impl().storage->note_change();
  } else {
    self.impl().storage->bump_version();
  }
}

/// Makes `self` output number `output_nr` of `node`: the operation that has changed it in place, with `self` as its
/// first operand. When `self` is a view, the base gets the new history: the node CopySlices, which changes these
/// elements and leaves the others. The histories of all views of the base follow from that.
void rebase_history(const Tensor& self, IntrusivePtr<Node> node, std::uint32_t output_nr = 0);

}  // namespace backflow
