#pragma once

#include <memory>
#include <vector>

#include <backflow/distributed/buckets/bucket_plan.h>
#include <backflow/runtime/tape/hooks.h>

namespace backflow::distributed {

/// Notes in which order the gradients of parameters become complete in a backward, and in which blocks they come, by
/// hooks that are there only while it watches. Not thread-safe; the backward may run on any threads.
class GradientOrder {
 public:
  explicit GradientOrder(std::vector<Tensor> parameters);
  ~GradientOrder();
  GradientOrder(const GradientOrder&) = delete;
  GradientOrder& operator=(const GradientOrder&) = delete;

  /// To be called before the backward, of parameters that require a gradient.
  void watch();
  /// To be called after it; a second call does nothing.
  void stop();
  /// The parameters that the backward reached, by their index in the list, in the order of their last gradients.
  ParameterOrder seen() const;
  /// The blocks of every parameter's last gradient: those without padding of a single tensor, else none.
  GradientBlocks blocks() const;

 private:
  struct Notes;

  std::vector<Tensor> parameters_;
  std::shared_ptr<Notes> notes_;  ///< shared with hooks, which a pass may still hold
  std::vector<RemovableHandle> hooks_;
  std::vector<unsigned> gradient_hooks_;  ///< by parameter, while it watches
};

}  // namespace backflow::distributed
