#include <backflow/distributed/data_parallel.h>

#include <algorithm>
#include <mutex>
#include <sstream>
#include <unordered_set>
#include <utility>

#include <backflow/distributed/reduction_tag.h>
#include <backflow/runtime/tensor/gradient_ops.h>

namespace backflow::distributed {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

/// What is wrong with a rank's list of parameters compared to rank 0's; empty when nothing is.
std::string difference(const std::string& mine, const std::string& first) {
  const auto ours = lines_of(mine);
  const auto theirs = lines_of(first);
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    if (ours[i] != theirs[i]) {
      return to_text("parameter ", i, " is ", ours[i], ", on rank 0 ", theirs[i]);
    }
  }
  return ours.size() == theirs.size() ? "" : to_text(ours.size(), " parameters, on rank 0 ", theirs.size());
}

void broadcast_any(Communicator& communicator, const Tensor& x) {
  if (x.is_contiguous()) {
    communicator.broadcast(x);
    return;
  }
  const Tensor dense = empty_tensor(x.sizes(), x.scalar_type());
  gradient_ops().copy_(dense, x.detach());
  communicator.broadcast(dense);
  gradient_ops().copy_(x.detach(), dense);
}

}  // namespace

/// The buckets and how far the reductions of the current backward are.
class DataParallel::Reducer : public std::enable_shared_from_this<Reducer> {
 public:
  Reducer(IndexedVector<BucketIndex, Bucket> buckets, Communicator& communicator)
      : buckets_(std::move(buckets)), communicator_(communicator), states_(buckets_.size()) {}

  const IndexedVector<BucketIndex, Bucket>& buckets() const { return buckets_; }

  void begin(GradientSync sync) {
    const std::lock_guard lock(mutex_);
    check(finished_ == next_.value(),
          "data_parallel: reductions of the last backward are under way: need it to have ended");
    pass_ += sync == GradientSync::Now ? 1 : 0;
    next_ = BucketIndex(0);
    finished_ = 0;
    states_.assign(buckets_.size(), {});
    for (Bucket& bucket : buckets_) {
      // A gradient that is already a sum over the ranks is the same on all of them and must be added but once.
      bucket.begin(communicator_.rank() == 0 ? Bucket::Share::Keep : Bucket::Share::Clear);
    }
  }

  /// Launches the buckets up to `last` that have not been, in their order; `done` is called when that one is back.
  void start(BucketIndex last, Completion done) {
    std::exception_ptr error;
    {
      const std::lock_guard lock(mutex_);
      try {
        for (; next_ <= last; ++next_) {
          launch(next_);
        }
      } catch (...) {
        error = std::current_exception();
      }
      BucketState& state = states_[last];
      if (!error && !state.finished) {
        state.done = std::move(done);
        return;
      }
      error = error ? error : state.error;
    }
    done(error);
  }

 private:
  struct BucketState {
    bool finished = false;
    std::exception_ptr error;
    Completion done;  ///< once somebody waits
  };

  void launch(BucketIndex bucket) {
    buckets_[bucket].fill();
    communicator_.all_reduce_async(
        buckets_[bucket].flat(), ReductionTag{pass_, bucket.value()}.value(),
        [self = shared_from_this(), bucket](std::exception_ptr error) { self->finish(bucket, std::move(error)); });
  }

  void finish(BucketIndex bucket, std::exception_ptr error) {
    Completion done;
    {
      const std::lock_guard lock(mutex_);
      if (!error) {
        buckets_[bucket].publish();
      }
      ++finished_;
      BucketState& state = states_[bucket];
      state.finished = true;
      state.error = error;
      done = std::move(state.done);
    }
    if (done) {
      done(std::move(error));
    }
  }

  IndexedVector<BucketIndex, Bucket> buckets_;
  // Not owned: a reduction under way holds the Reducer, and must not be what the communicator waits for to end.
  Communicator& communicator_;
  std::mutex mutex_;  ///< guards all below, and the buckets during a backward
  std::int64_t pass_ = 0;
  BucketIndex next_{0};  ///< those before it have been launched
  std::size_t finished_ = 0;
  IndexedVector<BucketIndex, BucketState> states_;
};

DataParallel::DataParallel(std::vector<Tensor> parameters, std::shared_ptr<Communicator> communicator,
                           DataParallelOptions options)
    : parameters_(std::move(parameters)), names_(std::move(options.names)), communicator_(std::move(communicator)) {
  check_parameters();
  check(names_.empty() || names_.size() == parameters_.size(), "data_parallel: ", names_.size(), " names of ",
        parameters_.size(), " parameters: need one each, or none");
  if (communicator_->size() == 1) {
    return;
  }
  check_ranks_agree();
  std::vector<Tensor> wanted;
  for (const Tensor& parameter : parameters_) {
    broadcast_any(*communicator_, parameter);
    if (parameter.requires_grad()) {
      wanted.push_back(parameter);
    }
  }
  IndexedVector<BucketIndex, Bucket> buckets;
  for (BucketPlan& plan : plan_buckets(wanted, options.limits)) {
    buckets.emplace_back(std::move(plan), wanted);
  }
  reducer_ = std::make_shared<Reducer>(std::move(buckets), *communicator_);
}

DataParallel::~DataParallel() = default;

void DataParallel::check_parameters() const {
  check(communicator_ != nullptr, "data_parallel: no communicator: need Communicator::world() or another");
  std::unordered_set<const TensorImpl*> seen;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& parameter = parameters_[i];
    check(parameter.defined(), "data_parallel: parameter ", i, " is undefined: need a tensor");
    check(parameter.is_leaf(), "data_parallel: parameter ", i, " ", describe(parameter),
          " was computed from others: need a leaf; detach() gives one");
    check(seen.insert(parameter.impl_ptr().get()).second, "data_parallel: parameter ", i, " ", describe(parameter),
          " is listed twice: need each once");
  }
}

void DataParallel::check_ranks_agree() const {
  std::ostringstream list;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    list << (names_.empty() ? "" : names_[i] + " ") << describe(parameters_[i])
         << (parameters_[i].requires_grad() ? "" : " without gradient") << '\n';
  }
  const bool is_first = communicator_->rank() == 0;
  const std::string first = communicator_->all_gather(is_first ? list.str() : "").front();
  // Every rank learns what any rank found, so that all of them stop.
  const auto findings = communicator_->all_gather(difference(list.str(), first));
  for (std::size_t rank = 0; rank < findings.size(); ++rank) {
    check(findings[rank].empty(), "data_parallel: rank ", rank, ": ", findings[rank],
          ": need the same model on every rank");
  }
}

PassTask DataParallel::reduction(BucketIndex bucket) const {
  PassTask task{.start = [reducer = reducer_, bucket](Completion done) { reducer->start(bucket, std::move(done)); },
                .name = to_text("all_reduce bucket ", bucket.value())};
  for (BucketIndex b(0); b <= bucket; ++b) {
    const std::vector<Tensor>& own = buckets()[b].parameters();
    task.leaves.insert(task.leaves.end(), own.begin(), own.end());
  }
  return task;
}

std::vector<PassTask> DataParallel::reductions() const {
  std::vector<PassTask> tasks;
  for (const BucketIndex bucket : buckets().indices()) {
    tasks.push_back(reduction(bucket));
  }
  return tasks;
}

void DataParallel::begin_backward(GradientSync sync) {
  if (reducer_) {
    reducer_->begin(sync);
  }
}

void DataParallel::reduce_now() {
  begin_backward();
  for (const BucketIndex bucket : buckets().indices()) {
    start_and_wait([&](Completion done) { reducer_->start(bucket, std::move(done)); });
  }
}

void DataParallel::zero_grad() {
  for (const Tensor& parameter : parameters_) {
    if (parameter.grad().defined()) {
      parameter.mutable_grad() = Tensor();
    }
  }
}

const IndexedVector<BucketIndex, Bucket>& DataParallel::buckets() const {
  static const IndexedVector<BucketIndex, Bucket> none;
  return reducer_ ? reducer_->buckets() : none;
}

}  // namespace backflow::distributed
