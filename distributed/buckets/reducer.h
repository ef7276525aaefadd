#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include <backflow/distributed/buckets/buckets.h>
#include <backflow/distributed/buckets/exchange.h>
#include <backflow/distributed/calls/reduction_tag.h>
#include <backflow/runtime/base/typed_index.h>
#include <backflow/runtime/engine/completion.h>

namespace backflow::distributed {

/// In the exchanges of a step, in the order in which their calls are made.
using ExchangeIndex = TypedIndex<class Exchange>;

/// The buckets of a plan, and how far the exchanges of the current backward are. Calls are made in one order on all
/// ranks: exchange after exchange, in each of them round after round.
class Reducer : public std::enable_shared_from_this<Reducer> {
 public:
  /// `exchanges` refer to buckets of the list, which moves here with its elements where they are. `model`: see
  /// ReductionTag.
  Reducer(IndexedVector<BucketIndex, Bucket> buckets, IndexedVector<ExchangeIndex, std::unique_ptr<Exchange>> exchanges,
          std::int64_t model = 0);

  const IndexedVector<BucketIndex, Bucket>& buckets() const { return buckets_; }
  const IndexedVector<ExchangeIndex, std::unique_ptr<Exchange>>& exchanges() const { return exchanges_; }

  /// Before a backward. `pass` is the number of those whose exchanges are made. Throws Error while exchanges of the
  /// last are under way.
  void begin(std::int64_t pass, Bucket::Share share);
  /// Makes the calls of the exchanges up to `last` that have not been made, in their order; `done` is called when that
  /// exchange has ended. So what is sent by those before it must be complete as well. From any thread, which is not
  /// blocked.
  void start(ExchangeIndex last, Completion done);
  /// Makes every later start() fail: there are other buckets now. Throws Error as begin() does.
  void retire();

 private:
  struct State {
    bool prepared = false;
    bool posted = false;
    bool finished = false;
    std::exception_ptr error = nullptr;
    Completion done = {};  ///< once somebody waits
  };
  struct Call {
    Completion done;
    std::exception_ptr error;
  };

  void check_idle() const;
  std::exception_ptr prepare(ExchangeIndex first, ExchangeIndex end);
  void post_prepared();
  ReductionTag tag_of(ExchangeIndex exchange, std::size_t round) const;
  void post(ExchangeIndex exchange, std::size_t round);
  void fail_unposted(std::exception_ptr error, std::vector<Call>& calls);
  bool go_on(ExchangeIndex exchange, std::size_t round, std::exception_ptr& error, std::vector<Call>& calls);
  void finish(ExchangeIndex exchange, std::size_t round, std::exception_ptr error);

  IndexedVector<BucketIndex, Bucket> buckets_;
  IndexedVector<ExchangeIndex, std::unique_ptr<Exchange>> exchanges_;
  const std::int64_t model_;
  mutable std::mutex mutex_;  ///< guards all below
  bool retired_ = false;
  std::int64_t pass_ = 0;
  ExchangeIndex claimed_{0};  ///< those before it are prepared, or are being prepared
  ExchangeIndex next_{0};     ///< those before it have been posted
  bool in_rounds_ = false;    ///< the one before it has rounds that have not been posted
  std::size_t finished_ = 0;
  std::exception_ptr broken_;  ///< why nothing more can be posted in this pass
  IndexedVector<ExchangeIndex, State> states_;
};

}  // namespace backflow::distributed
