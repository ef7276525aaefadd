#include <backflow/distributed/data_parallel.h>
#include <backflow/runtime/engine/autograd.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <sstream>
#include <unordered_set>
#include <utility>

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

DataParallel::DataParallel(std::vector<Tensor> parameters, std::shared_ptr<Communicator> communicator,
                           DataParallelOptions options)
    : parameters_(std::move(parameters)),
      names_(std::exchange(options.names, {})),
      options_(std::move(options)),
      communicator_(std::move(communicator)) {
  check_parameters();
  check(names_.empty() || names_.size() == parameters_.size(), "data_parallel: ", names_.size(), " names of ",
        parameters_.size(), " parameters: need one each, or none");
  if (options_.compression == Compression::PowerSgd) {
    check(options_.optimizer_state == OptimizerState::Replicated,
          "data_parallel: PowerSgd with a sharded optimizer: need another compression, since no rank has all of a sum");
    check(options_.power_sgd_rank >= 1, "data_parallel: power_sgd_rank ", options_.power_sgd_rank, ": need at least 1");
  }
  if (communicator_->size() == 1) {
    return;
  }
  model_ = communicator_->next_user();
  if (options_.compression == Compression::PowerSgd) {
    power_sgd_ = std::make_unique<PowerSgd>(options_.power_sgd_rank, options_.power_sgd_seed);
  }
  check_ranks_agree();
  for (const Tensor& parameter : parameters_) {
    broadcast_any(*communicator_, parameter);
  }
  plan_all();
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

std::vector<Tensor> DataParallel::wanted_now() const {
  std::vector<Tensor> wanted;
  std::copy_if(parameters_.begin(), parameters_.end(), std::back_inserter(wanted),
               [](const Tensor& x) { return x.requires_grad(); });
  return wanted;
}

/// For all parameters that require a gradient, of whose order nothing is known.
void DataParallel::plan_all() {
  wanted_ = wanted_now();
  // Shares of a sum and matrices of PowerSGD are cut from row-major gradients.
  const bool whole = options_.optimizer_state == OptimizerState::Replicated && power_sgd_ == nullptr;
  watch_ = std::make_unique<PlanWatch>(wanted_, options_.limits,
                                       whole ? PlanWatch::Blocks::Kept : PlanWatch::Blocks::RowMajor);
  plan({reverse_order(wanted_.size()), {}});
}

void DataParallel::plan(const GradientPattern& pattern) {
  if (reducer_) {
    reducer_->retire();
    shares_.clear();
    reducer_.reset();  // its buckets let go of the parameters before others take them
  }
  const bool sharded = options_.optimizer_state == OptimizerState::Sharded;
  IndexedVector<BucketIndex, Bucket> buckets;
  for (BucketPlan& bucket : plan_buckets(wanted_, options_.limits, pattern.order, pattern.blocks)) {
    const std::int64_t numel = sharded ? shared_numel(bucket.numel, bucket.dtype, communicator_->size()) : bucket.numel;
    const Tensor memory = communicator_->allocate(numel, bucket.dtype);
    buckets.emplace_back(std::move(bucket), wanted_, memory);
  }
  IndexedVector<ExchangeIndex, std::unique_ptr<Exchange>> exchanges;
  for (Bucket& bucket : buckets) {
    exchanges.push_back(make_exchange(bucket));
  }
  for (Bucket& bucket : buckets) {
    if (sharded) {
      exchanges.push_back(make_gather_exchange(bucket, *communicator_));
      shares_.emplace_back(bucket, *communicator_);
    }
  }
  reducer_ = std::make_shared<Reducer>(std::move(buckets), std::move(exchanges), model_);
  ++plan_number_;
}

std::unique_ptr<Exchange> DataParallel::make_exchange(Bucket& bucket) const {
  const bool bfloat16 = options_.compression == Compression::BFloat16 && bucket.plan().dtype == kFloat32;
  if (options_.optimizer_state == OptimizerState::Sharded) {
    return make_scatter_exchange(bucket, *communicator_, bfloat16 ? WireFormat::BFloat16 : WireFormat::AsItIs);
  }
  if (power_sgd_ && (bucket.plan().dtype == kFloat32 || bucket.plan().dtype == kFloat64)) {
    return make_power_sgd_exchange(bucket, matrices_of(bucket), *communicator_);
  }
  return bfloat16 ? make_bfloat16_exchange(bucket, *communicator_) : make_plain_exchange(bucket, *communicator_);
}

/// What PowerSGD keeps of the parameters of a bucket.
std::vector<LowRank*> DataParallel::matrices_of(const Bucket& bucket) const {
  std::vector<LowRank*> matrices;
  for (const Tensor& parameter : bucket.parameters()) {
    const auto at =
        std::find_if(parameters_.begin(), parameters_.end(), [&](const Tensor& p) { return p.is_same(parameter); });
    matrices.push_back(power_sgd_->find_or_add(static_cast<std::size_t>(at - parameters_.begin()), parameter));
  }
  return matrices;
}

/// Plans anew when parameters were frozen or freed since, or when another order is better.
void DataParallel::plan_if_needed() {
  const std::vector<Tensor> now = wanted_now();
  const bool same = std::equal(now.begin(), now.end(), wanted_.begin(), wanted_.end(),
                               [](const Tensor& a, const Tensor& b) { return a.is_same(b); });
  if (!same) {
    check_ranks_agree();
    plan_all();
    return;
  }
  std::vector<BucketPlan> plans;
  for (const Bucket& bucket : buckets()) {
    plans.push_back(bucket.plan());
  }
  if (const std::optional<GradientPattern> pattern = watch_->new_pattern(plans, *communicator_)) {
    plan(*pattern);
  }
}

/// The task of an exchange, before which the gradients of the buckets up to `last` are sent.
PassTask DataParallel::exchange(ExchangeIndex exchange, BucketIndex last) const {
  PassTask task{
      .start = [reducer = reducer_, exchange](Completion done) { reducer->start(exchange, std::move(done)); }};
  for (BucketIndex b(0); b <= last; ++b) {
    const std::vector<Tensor>& own = buckets()[b].parameters();
    task.leaves.insert(task.leaves.end(), own.begin(), own.end());
  }
  return task;
}

PassTask DataParallel::reduction(BucketIndex bucket) const {
  PassTask task = exchange(ExchangeIndex(bucket.value()), bucket);
  task.name = to_text(is_sharded() ? "reduce_scatter bucket " : "all_reduce bucket ", bucket.value());
  return task;
}

PassTask DataParallel::gather(BucketIndex bucket) const {
  check(is_sharded(), "data_parallel: no gathers: need OptimizerState::Sharded and several ranks");
  const auto buckets_before = static_cast<std::uint32_t>(buckets().size());
  PassTask task = exchange(ExchangeIndex(buckets_before + bucket.value()), BucketIndex(buckets_before - 1));
  task.name = to_text("all_gather bucket ", bucket.value());
  return task;
}

std::vector<PassTask> DataParallel::reductions() const {
  check(communicator_->has_thread(),
        "data_parallel: reductions of a communicator without a thread, which nobody would make during a backward: need "
        "DataParallel::backward or reduce_now");
  std::vector<PassTask> tasks;
  for (const BucketIndex bucket : buckets().indices()) {
    tasks.push_back(reduction(bucket));
  }
  return tasks;
}

void DataParallel::begin_backward(GradientSync sync) {
  if (!reducer_) {
    return;
  }
  watch_->end_pass();
  // A gradient that is already a sum over the ranks is the same on all of them and must be added but once.
  reducer_->begin(pass_, communicator_->rank() == 0 ? Bucket::Share::Keep : Bucket::Share::Clear);
  if (sync == GradientSync::Now) {
    ++pass_;
    plan_if_needed();
    reducer_->begin(pass_, Bucket::Share::Keep);
    if (communicator_->has_thread()) {  // else backward has run already
      watch_->begin_pass();
    }
  }
}

void DataParallel::backward(const Tensor& loss, GradientSync sync) {
  if (sync == GradientSync::Later || !communicator_->has_thread()) {
    begin_backward(GradientSync::Later);
    autograd::backward({loss});
    if (sync == GradientSync::Now) {
      reduce_now();
    }
    return;
  }
  begin_backward();
  const std::vector<PassTask> tasks = reductions();
  autograd::backward({loss}, {}, {.tasks = tasks});
}

void DataParallel::reduce_now() {
  begin_backward();
  for (const BucketIndex bucket : buckets().indices()) {
    start_and_wait([&](Completion done) {
      reducer_->start(ExchangeIndex(bucket.value()), std::move(done));
      communicator_->progress();
    });
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

std::string DataParallel::name_of(const Tensor& parameter) const {
  const auto at =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Tensor& p) { return p.is_same(parameter); });
  const auto index = static_cast<std::size_t>(at - parameters_.begin());
  return index < names_.size() ? names_[index] : to_text("parameter ", index);
}

std::vector<BucketTraffic> DataParallel::traffic() const {
  std::vector<BucketTraffic> all(buckets().size());
  if (reducer_) {
    for (const ExchangeIndex i : reducer_->exchanges().indices()) {
      const BucketTraffic of_one = reducer_->exchanges()[i]->traffic();
      all[i.value() % all.size()].sent += of_one.sent;
      all[i.value() % all.size()].uncompressed += of_one.uncompressed;
    }
  }
  return all;
}

}  // namespace backflow::distributed
