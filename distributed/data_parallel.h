#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <backflow/distributed/buckets/bucket_shares.h>
#include <backflow/distributed/buckets/buckets.h>
#include <backflow/distributed/buckets/exchange.h>
#include <backflow/distributed/buckets/plan_watch.h>
#include <backflow/distributed/buckets/power_sgd.h>
#include <backflow/distributed/buckets/reducer.h>
#include <backflow/distributed/communicator.h>
#include <backflow/runtime/engine/pass_task.h>

namespace backflow::distributed {

/// How gradients are sent. BFloat16: gradients of float32 in half of the bytes, see make_bfloat16_exchange. PowerSgd:
/// matrices of float32 and float64 as ones of low rank, see PowerSgd; not with a sharded optimizer.
enum class Compression { None, BFloat16, PowerSgd };

/// Where the state of the optimizer is kept: all of it on every rank, or on each rank that of its share (BucketShares).
/// With shares the reductions give each rank the sums of its share alone, for the updates of a TrainingStep.
enum class OptimizerState { Replicated, Sharded };

struct DataParallelOptions {
  BucketLimits limits = {};
  std::vector<std::string> names = {};  ///< of the parameters, for messages; may be left out
  Compression compression = Compression::None;
  OptimizerState optimizer_state = OptimizerState::Replicated;
  std::int64_t power_sgd_rank = 4;   ///< at least 1
  std::uint64_t power_sgd_seed = 0;  ///< the same on all ranks
};

/// Whether the gradients of a backward are summed over the ranks now, or kept for a later backward to add to (as
/// PyTorch's no_sync()).
enum class GradientSync { Now, Later };

/// Sums the gradients of a model over all ranks, each of which computes with a part of the batch: after a backward,
/// grad() is the sum over the ranks. Divide the sum of the losses by the size of the global batch. Then grad() is the
/// gradient of the mean over the global batch, however unevenly it was cut.
///
///   DataParallel parallel(model->parameters(), Communicator::world());
///   for (each step) {
///     optimizer.zero_grad();
///     parallel.backward(sum of the local losses / global_n);
///     optimizer.step();
///   }
///
/// TrainingStep does the same with the updates in the same pass.
///
/// Gradients live in buckets. A bucket is sent when its last gradient is complete, in the same order on all ranks. As
/// with PyTorch's DDP and find_unused_parameters: a parameter that no rank used keeps an undefined gradient, one that
/// some ranks used has their sum everywhere. Gradients that are not cleared between two backwards accumulate as on one
/// rank: the former sum plus the new one. A handle on a gradient, kept across zero_grad(), is a view of the bucket and
/// changes with the next backward.
///
/// The plan of the buckets follows the order in which the first backward of rank 0 completed the gradients. They are
/// planned anew when that order, or the parameters that it reaches, change for good (see PlanWatch), and when
/// parameters are frozen or freed by set_requires_grad, on all ranks alike. A plan has no influence on the result as
/// long as the communicator adds each element in the order of the ranks, wherever in a bucket it is. The sums of
/// bfloat16 are such sums. Those of another algorithm of MPI may round differently in another plan, but on all ranks
/// alike.
///
/// A program may have several models, each with a DataParallel and an optimizer of its own, as the two of a GAN. Their
/// passes come one after the other, in the same order on all ranks, and each sums the gradients of one model. A pass
/// that trains two models at once needs one DataParallel for the parameters of both: otherwise the order of their
/// reductions would depend on timing, and ranks disagree (see Communicator). Gradients that a pass leaves in another
/// model are its own: drop them with that model's zero_grad(), or freeze its parameters meanwhile, which plans no new
/// buckets.
///
/// In a world of one there are no buckets, no tasks and no copies.
///
/// A backward that fails on this rank only leaves the others waiting. So let the exception end the program (see
/// Communicator), unless the same happens on all ranks. Not thread-safe, except that reductions may be started from any
/// threads.
class DataParallel {
 public:
  /// Collective: takes the values of `parameters` from rank 0. Those that require a gradient get a place in a bucket,
  /// in reverse order. Throws Error for a parameter that is undefined, listed twice or not a leaf. Throws Error on
  /// every rank when names, shapes, dtypes or requires_grad differ between ranks.
  DataParallel(std::vector<Tensor> parameters, std::shared_ptr<Communicator> communicator,
               DataParallelOptions options = {});
  /// Gradients stay; later ones no longer live in the buckets. Never waits.
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  /// The task of a backward that sends a bucket and waits until it is back. Tasks may be started in any order, each
  /// when the gradients of its leaves are complete. The leaves of a task are those of its bucket and of all buckets
  /// before it. So a bucket never waits for one whose gradients do not come.
  PassTask reduction(BucketIndex bucket) const;
  /// One for each bucket. They hold until the next begin_backward() with GradientSync::Now, which may plan anew;
  /// starting one of an older plan is an Error.
  std::vector<PassTask> reductions() const;
  /// The task that sends this rank's share of a bucket to all ranks, when the optimizer's state is sharded. It waits
  /// for the leaves of all buckets. The caller has it wait, too, for the last reduction, and for what completes the
  /// shares of this bucket and of those before it.
  PassTask gather(BucketIndex bucket) const;
  /// To be called before every backward: one with GradientSync::Now has all reductions among its tasks, one with
  /// GradientSync::Later none. With Now it is collective: some plan the buckets anew. Throws Error while reductions of
  /// the last backward are under way.
  void begin_backward(GradientSync sync = GradientSync::Now);
  /// Backward of a loss with one element, with all reductions under way meanwhile; or with GradientSync::Later, none.
  /// Collective with Now. Throws what a node throws.
  void backward(const Tensor& loss, GradientSync sync = GradientSync::Now);
  /// Sums the present gradients over the ranks and waits. For a rank that has no sample in this step, instead of a
  /// backward; or after the last backward with GradientSync::Later. Collective. Throws Error when the reduction fails.
  void reduce_now();
  /// Makes all gradients undefined; the next backward uses their memory in the buckets again.
  void zero_grad();

  /// None in a world of one.
  const IndexedVector<BucketIndex, Bucket>& buckets() const;
  /// Whether ranks have shares. False in a world of one.
  bool is_sharded() const { return !shares_.empty(); }
  /// Of the buckets; only if is_sharded().
  const BucketShares& shares(BucketIndex bucket) const { return shares_[bucket]; }
  /// The number of the plan that they follow; another one after they have been planned anew.
  std::int64_t plan_number() const { return plan_number_; }
  /// What this rank sends in each step, by bucket.
  std::vector<BucketTraffic> traffic() const;
  /// What the compression keeps from step to step; null unless it is PowerSgd. Indices are those of parameters().
  PowerSgd* power_sgd() const { return power_sgd_.get(); }
  const std::vector<Tensor>& parameters() const { return parameters_; }
  /// Of the parameters; empty when none were given.
  const std::vector<std::string>& names() const { return names_; }
  /// The name of a parameter in messages; "parameter 3" when names were not given.
  std::string name_of(const Tensor& parameter) const;
  const std::shared_ptr<Communicator>& communicator() const { return communicator_; }

 private:
  void check_parameters() const;
  void check_ranks_agree() const;
  std::vector<Tensor> wanted_now() const;
  void plan_all();
  void plan(const GradientPattern& pattern);
  void plan_if_needed();
  std::unique_ptr<Exchange> make_exchange(Bucket& bucket) const;
  std::vector<LowRank*> matrices_of(const Bucket& bucket) const;
  PassTask exchange(ExchangeIndex exchange, BucketIndex last) const;

  std::vector<Tensor> parameters_;
  std::vector<std::string> names_;
  DataParallelOptions options_;
  std::shared_ptr<Communicator> communicator_;
  std::vector<Tensor> wanted_;        ///< those that are planned: that require a gradient
  std::unique_ptr<PlanWatch> watch_;  ///< null in a world of one
  std::unique_ptr<PowerSgd> power_sgd_;
  IndexedVector<BucketIndex, BucketShares> shares_;
  std::shared_ptr<Reducer> reducer_;  ///< shared with reductions under way; null in a world of one
  std::int64_t model_ = 0;            ///< see ReductionTag
  std::int64_t plan_number_ = 0;
  std::int64_t pass_ = 0;  ///< number of backwards that were reduced
};

}  // namespace backflow::distributed
