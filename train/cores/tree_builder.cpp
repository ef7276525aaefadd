#include <backflow/train/cores/tree_builder.h>

#include <algorithm>
#include <memory>

namespace backflow::train {
namespace {

/// Makes the tree of one step from its marks.
class TreeBuilder {
 public:
  TreeBuilder(const Marks& step, const std::vector<double>& stretches, const std::vector<TracedStep>& traced)
      : step_(step), stretches_(stretches), traced_(traced) {}

  WorkTree build() { return {traced_[0].timeline.labels(), task()}; }

 private:
  /// What comes from here to the mark that ends the task.
  WorkTask task() {
    WorkTask task;
    for (;;) {
      add_stretch(task);
      const auto [mark, value] = step_.marks[at_++];
      if (mark == Mark::EndTask || mark == Mark::EndStep) {
        return task;
      }
      WorkPart part;
      part.group = std::make_unique<WorkGroup>();
      part.group->is_graph = mark == Mark::BeginGraph;
      if (part.group->is_graph) {
        part.group->successors = step_.graphs[value];
      }
      const std::int64_t begin = traced_[0].times[at_];
      traced_[0].timeline.split(begin, begin, [&](const auto& in, double) { part.label = in.label; });
      while (step_.marks[at_++].first == Mark::BeginTask) {  // what lies between two tasks is nobody's work
        part.group->tasks.push_back(this->task());
      }
      task.parts.push_back(std::move(part));
    }
  }

  /// Adds the stretch before the next mark, shared out among those that it belongs to.
  void add_stretch(WorkTask& task) const {
    const double time = stretches_[at_];
    if (time <= 0) {
      return;
    }
    const std::vector<WorkPart> pieces = pieces_of_stretch();
    double whole = 0;
    for (const WorkPart& piece : pieces) {
      whole += piece.nanoseconds;
    }
    for (const WorkPart& piece : pieces) {
      const double part = whole > 0 ? time * piece.nanoseconds / whole : time / static_cast<double>(pieces.size());
      WorkPart* last = task.parts.empty() ? nullptr : &task.parts.back();
      if (last != nullptr && !last->group && last->label == piece.label && last->bytes_per_ns == piece.bytes_per_ns) {
        last->nanoseconds += part;
      } else if (part > 0) {
        task.parts.push_back({part, piece.bytes_per_ns, piece.label});
      }
    }
  }

  /// What a stretch consists of. All traced steps have the same pieces, unless two events touched; the shortest time
  /// of each counts.
  std::vector<WorkPart> pieces_of_stretch() const {
    std::vector<WorkPart> pieces;
    std::vector<WorkPart> others;
    for (const TracedStep& step : traced_) {
      std::vector<WorkPart>& here = &step == traced_.data() ? pieces : others;
      here.clear();
      step.timeline.split(step.times[at_], step.times[at_ + 1], [&](const Timeline::Interval& in, double time) {
        here.push_back({time, in.bytes_per_ns, in.label});
      });
      if (here.size() == pieces.size()) {
        for (std::size_t i = 0; i < here.size() && here[i].label == pieces[i].label; ++i) {
          pieces[i].nanoseconds = std::min(pieces[i].nanoseconds, here[i].nanoseconds);
          pieces[i].bytes_per_ns = std::max(pieces[i].bytes_per_ns, here[i].bytes_per_ns);
        }
      }
    }
    return pieces;
  }

  const Marks& step_;
  const std::vector<double>& stretches_;
  const std::vector<TracedStep>& traced_;
  std::size_t at_ = 0;  // the next mark
};

}  // namespace

WorkTree build_tree(const Marks& step, const std::vector<double>& stretches, const std::vector<TracedStep>& traced) {
  return TreeBuilder(step, stretches, traced).build();
}

double work_of(const WorkTask& task) {
  double sum = 0;
  for (const WorkPart& part : task.parts) {
    sum += part.nanoseconds;
    if (part.group) {
      for (const WorkTask& inner : part.group->tasks) {
        sum += work_of(inner);
      }
    }
  }
  return sum;
}

}  // namespace backflow::train
