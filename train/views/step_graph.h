#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <backflow/train/data/data_info.h>
#include <backflow/train/model/model.h>

namespace backflow::train {

/// What one training step computes on one rank, seen while it ran: shapes are those of the tensors that were there.
struct StepGraph {
  using Edges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  ///< from, to; places in the list of nodes

  /// A tensor that is given, or an operator.
  struct Forward {
    enum class Kind { Input, Parameter, Operator };
    Kind kind = Kind::Operator;
    std::string name = {};   ///< "samples", "0.weight", "linear"
    std::string shape = {};  ///< of the tensor or the result, as "f32[128, 10]"
    double flop = 0;
    double bytes = 0;                            ///< read and written
    std::optional<std::uint32_t> backward = {};  ///< its node in `backward`
  };
  /// A node of the backward pass.
  struct Backward {
    std::string name = {};       ///< "AddmmBackward0"
    std::string parameter = {};  ///< of an accumulator: whose gradient it adds to
    std::string gradients = {};  ///< their shapes as they come
    std::string results = {};    ///< the shapes of those that it hands on; "-" for one that nobody wants
    double flop = 0;
    double bytes = 0;
    double nanoseconds = 0;  ///< estimated, on one thread
    std::uint32_t group = 0;
    bool critical = false;  ///< on the longest path
  };
  /// Nodes that run as one node of the flow graph on get_num_threads() threads.
  struct Group {
    std::vector<std::uint32_t> nodes;       ///< in the order in which they run
    std::vector<std::uint32_t> successors;  ///< groups that wait for this one
    double nanoseconds = 0;
  };

  std::vector<Forward> forward;
  Edges forward_edges;
  std::vector<Backward> backward;
  Edges backward_edges;
  std::vector<Group> groups;
  double work = 0;           ///< T: of all nodes, estimated ns
  double critical_path = 0;  ///< C: of the longest path over the backward edges, estimated ns

  double parallelism_bound() const { return critical_path > 0 ? work / critical_path : 1; }
};

/// Runs one forward and backward of `model` on a batch. `loss` is that of the batch, from what it runs the model with:
/// one element. Gradients of the parameters are added to. Throws Error when tracing is on already.
StepGraph observe_step(const Model& model, const Batch& batch, const std::function<Tensor(const Batch&)>& loss);
/// The same on zeros, `batch_size` samples of this shape and class 0, with the cross-entropy of the model's scores.
StepGraph observe_step(const Model& model, IntArrayRef sample_shape, std::int64_t batch_size, ScalarType dtype);
/// A batch of zeros for these data.
Batch zero_batch(const DataInfo& data, std::int64_t batch_size);

/// The graph in Graphviz's language, folded (graph_folding.h): the forward goes down, the backward goes up beside it,
/// groups are boxes, the critical path is red. Of what is drawn once for several, the box, the time and the place are
/// those of one of them.
std::string to_dot(const StepGraph& graph, const std::string& title);
/// The same facts as JSON; docs/runs.md lists the fields.
std::string to_json(const StepGraph& graph, const std::string& title);

}  // namespace backflow::train
