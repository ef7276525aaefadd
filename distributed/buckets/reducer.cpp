#include <backflow/distributed/buckets/reducer.h>

#include <algorithm>
#include <utility>

#include <backflow/distributed/calls/call_slices.h>
#include <backflow/distributed/calls/reduction_tag.h>
#include <backflow/runtime/base/error.h>

namespace backflow::distributed {

Reducer::Reducer(IndexedVector<BucketIndex, Bucket> buckets,
                 IndexedVector<ExchangeIndex, std::unique_ptr<Exchange>> exchanges, std::int64_t model)
    : buckets_(std::move(buckets)), exchanges_(std::move(exchanges)), model_(model), states_(exchanges_.size()) {}

void Reducer::check_idle() const {
  check(finished_ == next_.value(),
        "data_parallel: reductions of the last backward are under way: need it to have ended");
}

void Reducer::begin(std::int64_t pass, Bucket::Share share) {
  const std::lock_guard lock(mutex_);
  check_idle();
  pass_ = pass;
  claimed_ = ExchangeIndex(0);
  next_ = ExchangeIndex(0);
  in_rounds_ = false;
  finished_ = 0;
  broken_ = nullptr;
  states_.assign(exchanges_.size(), {});
  for (Bucket& bucket : buckets_) {
    bucket.begin(share);
  }
}

void Reducer::retire() {
  const std::lock_guard lock(mutex_);
  check_idle();
  retired_ = true;
}

void Reducer::start(ExchangeIndex last, Completion done) {
  std::unique_lock lock(mutex_);
  if (retired_) {
    lock.unlock();
    done(std::make_exception_ptr(Error(
        "data_parallel: the task is of buckets that have been planned anew: need those that reductions() returns after "
        "begin_backward()")));
    return;
  }
  const ExchangeIndex first = claimed_;
  claimed_ = std::max(claimed_, last + 1);
  const ExchangeIndex end = claimed_;
  lock.unlock();
  std::exception_ptr error = prepare(first, end);
  std::vector<Call> calls;
  lock.lock();
  try {
    if (error) {
      std::rethrow_exception(error);
    }
    post_prepared();
  } catch (...) {
    fail_unposted(std::current_exception(), calls);
  }
  State& state = states_[last];
  if (state.finished || (broken_ && !state.posted)) {
    calls.push_back({std::move(done), state.finished ? state.error : broken_});
  } else {
    state.done = std::move(done);
  }
  lock.unlock();
  for (const Call& call : calls) {
    call.done(call.error);
  }
}

/// Not under the lock: it may take long, and no other thread has to do with these.
std::exception_ptr Reducer::prepare(ExchangeIndex first, ExchangeIndex end) {
  for (ExchangeIndex i = first; i < end; ++i) {
    try {
      exchanges_[i]->prepare();
    } catch (...) {
      return std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    states_[i].prepared = true;
  }
  return nullptr;
}

/// Under the lock, so that the calls come in one order.
void Reducer::post_prepared() {
  while (!broken_ && !in_rounds_ && next_ < exchanges_.end_index() && states_[next_].prepared) {
    const ExchangeIndex i = next_;
    post(i, 0);
    states_[i].posted = true;
    in_rounds_ = exchanges_[i]->rounds() > 1;
    ++next_;
  }
}

/// A second list of exchanges, after one for each bucket, is of the same buckets again.
ReductionTag Reducer::tag_of(ExchangeIndex exchange, std::size_t round) const {
  constexpr std::size_t kRoundsBefore = 2;
  const std::size_t again = exchange.value() / buckets_.size();
  const std::size_t bucket = exchange.value() % buckets_.size();
  return {pass_, static_cast<std::int64_t>(bucket), static_cast<std::int64_t>(round + again * kRoundsBefore), model_};
}

void Reducer::post(ExchangeIndex exchange, std::size_t round) {
  exchanges_[exchange]->start(round, tag_of(exchange, round).value(),
                              [self = shared_from_this(), exchange, round](std::exception_ptr error) {
                                self->finish(exchange, round, std::move(error));
                              });
}

/// Nobody waits for what will not come.
void Reducer::fail_unposted(std::exception_ptr error, std::vector<Call>& calls) {
  broken_ = broken_ ? broken_ : std::move(error);
  for (ExchangeIndex i = next_; i < states_.end_index(); ++i) {
    if (states_[i].done) {
      calls.push_back({std::exchange(states_[i].done, {}), broken_});
    }
  }
}

/// Posts what may be posted after a round. Returns whether the exchange has more rounds.
bool Reducer::go_on(ExchangeIndex exchange, std::size_t round, std::exception_ptr& error, std::vector<Call>& calls) {
  const std::size_t rounds = exchanges_[exchange]->rounds();
  const bool has_more = round + 1 < rounds;
  try {
    if (has_more) {
      post(exchange, round + 1);
    }
    if (rounds > 1 && round + 2 == rounds) {
      in_rounds_ = false;
      post_prepared();
    }
  } catch (...) {
    error = std::current_exception();
    fail_unposted(error, calls);
    return false;
  }
  return has_more;
}

void Reducer::finish(ExchangeIndex exchange, std::size_t round, std::exception_ptr error) {
  if (!error) {
    try {
      const MoveSlice slice(tag_of(exchange, round).number());
      exchanges_[exchange]->received(round);
    } catch (...) {
      error = std::current_exception();
    }
  }
  std::vector<Call> calls;
  {
    const std::lock_guard lock(mutex_);
    if (!error && go_on(exchange, round, error, calls)) {
      return;
    }
    if (error && exchanges_[exchange]->rounds() > 1) {
      fail_unposted(error, calls);  // on all ranks, since none has posted what comes after
    }
    ++finished_;
    State& state = states_[exchange];
    state.finished = true;
    state.error = error;
    if (state.done) {
      calls.push_back({std::exchange(state.done, {}), error});
    }
  }
  for (const Call& call : calls) {
    call.done(call.error);
  }
}

}  // namespace backflow::distributed
