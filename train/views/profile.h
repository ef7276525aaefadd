#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <backflow/io/metrics.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::train {

/// Adds up the events of some steps: where their time went, operator by operator, and what the backward pass could gain
/// from more threads.
class Profile {
 public:
  /// What one operator did, forward or backward, in all steps.
  struct Row {
    std::string name;  ///< "linear", or the node's name "AddmmBackward0"
    bool backward = false;
    std::int64_t calls = 0;
    double nanoseconds = 0;  ///< of the threads that called it
    double flop = 0;
    double bytes = 0;
  };

  /// `threads`: what was recorded of this step. `peak_bytes`: the most that tensors took during it.
  void add_step(std::span<const trace::ThreadEvents> threads, std::int64_t peak_bytes);

  std::int64_t steps() const { return steps_; }
  /// The operators by their time, the longest first; those called by operators and nodes are parts of these.
  std::vector<Row> rows() const;
  /// T/P, the time of all nodes and tasks over the time of the passes: how many threads backward kept busy. 0 without a
  /// pass.
  double parallelism() const { return ratio(work_, pass_); }
  /// T/C, the same over that of the longest path of nodes and tasks: the parallelism that no number of threads can
  /// exceed while each node and task runs on one. 0 without a pass.
  double parallelism_bound() const { return ratio(work_, critical_); }

  static constexpr std::size_t kUsualColumns = 84;
  static constexpr std::size_t kUsualRows = 15;
  /// For people: at most `max_rows` operators, then all others in one row, in lines of at most `columns`. Where that is
  /// too narrow, names are cut and some columns of the table left out.
  std::string table(std::size_t columns = kUsualColumns, std::size_t max_rows = kUsualRows) const;
  /// The fields of the "profile" line of metrics.jsonl.
  io::MetricRecord record() const;

 private:
  static double ratio(double a, double b) { return b > 0 ? a / b : 0; }
  void add(const trace::Event& event);
  /// The time of all spans of this name, ns; 0 if there are none.
  double span(std::string_view name) const;
  std::string head(std::size_t columns) const;
  std::string backward(std::size_t columns) const;

  std::int64_t steps_ = 0;
  std::int64_t peak_bytes_ = 0;
  std::map<std::pair<std::string_view, bool>, Row> rows_;
  std::vector<std::pair<std::string_view, double>> spans_;  // ns, in the order in which they first ended
  double tasks_ = 0;                                        // of the passes, such as updates, ns
  double work_ = 0;                                         // of nodes and tasks
  double critical_ = 0;
  double pass_ = 0;  // from the starts to the ends of the passes, ns
};

}  // namespace backflow::train
