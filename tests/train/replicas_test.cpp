#include <backflow/train/run/replicas.h>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/ops/functions.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/forwarding_communicator.h>
#include <backflow/train/run/shared_failure.h>

using namespace backflow;
using namespace backflow::train;

namespace {

constexpr std::size_t kRanks = 3;

/// Where threads as ranks meet to gather texts.
class Meeting {
 public:
  std::vector<std::string> gather(std::size_t rank, const std::string& text) {
    std::unique_lock lock(mutex_);
    const int round = round_;
    texts_[rank] = text;
    if (++arrived_ == kRanks) {
      gathered_.assign(texts_.begin(), texts_.end());
      arrived_ = 0;
      ++round_;
      all_here_.notify_all();
    } else {
      all_here_.wait(lock, [&] { return round_ != round; });
    }
    return gathered_;  // of this round still: the next one needs this rank
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  std::array<std::string, kRanks> texts_;
  std::vector<std::string> gathered_;
  std::size_t arrived_ = 0;
  int round_ = 0;
};

class ThreadAsRank final : public test::ForwardingCommunicator {
 public:
  ThreadAsRank(Meeting& meeting, std::size_t rank)
      : ForwardingCommunicator(std::make_shared<distributed::NullCommunicator>()), meeting_(meeting), rank_(rank) {}
  int rank() const noexcept override { return static_cast<int>(rank_); }
  int size() const noexcept override { return static_cast<int>(kRanks); }
  std::vector<std::string> all_gather(const std::string& text) override { return meeting_.gather(rank_, text); }

 private:
  Meeting& meeting_;
  std::size_t rank_;
};

io::Dump replica() {
  io::Dump dump;
  dump.parameters = {{"0.weight", arange(6).reshape({2, 3})}, {"0.bias", zeros({2})}};
  dump.buffers = {{"1.running_mean", ones({2})}};
  dump.optimizer = {{"0.weight.exp_avg", full({2, 3}, 0.5)}};
  return dump;
}

/// What each rank gets when `change` has changed the replica of rank 1: an empty text, or the error's.
std::vector<std::string> check_with(const std::function<void(io::Dump&)>& change) {
  Meeting meeting;
  std::vector<std::string> errors(kRanks);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] {
      io::Dump own = replica();
      if (rank == 1) {
        change(own);
      }
      ThreadAsRank world(meeting, rank);
      try {
        check_replicas(world, 7, own);
      } catch (const SharedFailure& failure) {
        errors[rank] = failure.what();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  return errors;
}

}  // namespace

TEST_CASE("replicas: ranks that have the same are left alone, strided or not") {
  CHECK(check_with([](io::Dump&) {}) == std::vector<std::string>(kRanks));
  CHECK(check_with([](io::Dump& own) { own.parameters[0].second = contiguous(own.parameters[0].second.t()).t(); }) ==
        std::vector<std::string>(kRanks));
}

TEST_CASE("replicas: one bit of a parameter, a buffer or the optimizer's state fails on all ranks, with its name") {
  const auto change = [](const Tensor& x) { static_cast<unsigned char*>(x.data_ptr())[1] ^= 1; };
  const auto expect = [](const std::vector<std::string>& errors, const std::string& name) {
    for (const std::string& error : errors) {
      CHECK_THAT(error, ContainsSubstring("ranks differ after step 7: the digest of " + name + " is 0x") &&
                            ContainsSubstring(" on ranks 0,2, 0x") && ContainsSubstring(" on rank 1: need the same"));
    }
  };
  expect(check_with([&](io::Dump& own) { change(own.parameters[1].second); }), "parameter '0.bias'");
  expect(check_with([&](io::Dump& own) { change(own.buffers[0].second); }), "buffer '1.running_mean'");
  expect(check_with([&](io::Dump& own) { change(own.optimizer[0].second); }), "optimizer state '0.weight.exp_avg'");
}

TEST_CASE("replicas: a tensor that a rank lacks is named, and so are all that differ") {
  for (const std::string& error : check_with([](io::Dump& own) { own.optimizer.clear(); })) {
    CHECK_THAT(error, ContainsSubstring("the digest of optimizer state '0.weight.exp_avg' is 0x") &&
                          ContainsSubstring("not given on rank 1"));
  }
  for (const std::string& error : check_with([](io::Dump& own) { own.parameters[0].second = zeros({2, 3}); })) {
    CHECK_THAT(error, ContainsSubstring("parameter '0.weight'") && !ContainsSubstring("0.bias"));
  }
}
