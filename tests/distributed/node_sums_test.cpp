#include <backflow/distributed/node/node_sums_internal.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <backflow/ops/kernels/reductions/sum_buffers.h>
#include <backflow/runtime/tensor/bfloat16.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>

using namespace backflow;
using namespace backflow::distributed;

namespace {

/// Leaders that are threads of one process: each reads in the buffers of the others.
struct Leaders {
  explicit Leaders(std::vector<std::vector<int>> all)
      : ranks(std::move(all)),
        data(ranks.size()),
        calls(ranks.size()),
        met(static_cast<std::ptrdiff_t>(ranks.size())) {}

  std::vector<std::vector<int>> ranks;  ///< by node
  std::vector<std::byte*> data;
  std::vector<std::pair<MpiCall, Agreement>> calls;
  std::barrier<> met;
};

class ThreadLink final : public BetweenNodes {
 public:
  ThreadLink(Leaders& leaders, int node) : leaders_(leaders), node_(static_cast<std::size_t>(node)) {}

  int size() const override { return static_cast<int>(leaders_.ranks.size()); }
  const std::vector<int>& ranks_of(int node) const override { return leaders_.ranks[static_cast<std::size_t>(node)]; }

  void begin_agreement(const MpiCall& call, Agreement here) override { leaders_.calls[node_] = {call, here}; }
  Agreement end_agreement() override {
    leaders_.met.arrive_and_wait();
    Agreement least = Agreement::Mapped;
    for (const auto& [call, here] : leaders_.calls) {
      least = std::min(least, call.words() == leaders_.calls[0].first.words() ? here : Agreement::None);
    }
    leaders_.met.arrive_and_wait();
    return least;
  }

  void reduce_scatter(std::byte* data, ScalarType dtype, const Shares& shares) override {
    leaders_.data[node_] = data;
    leaders_.met.arrive_and_wait();
    for (const Range& range : shares[node_]) {
      const auto bytes = static_cast<std::int64_t>(element_size(dtype));
      std::vector<std::byte*> parts = leaders_.data;
      std::for_each(parts.begin(), parts.end(), [&](std::byte*& part) { part += range.begin * bytes; });
      kernels::sum_buffers(dtype, parts, {&parts[node_], 1}, range.count);
    }
    leaders_.met.arrive_and_wait();
  }

  void all_gather(std::byte* data, ScalarType dtype, const Shares& shares) override {
    leaders_.data[node_] = data;
    leaders_.met.arrive_and_wait();
    for (std::size_t node = 0; node < shares.size(); ++node) {
      for (const Range& range : shares[node]) {
        const std::size_t begin = static_cast<std::size_t>(range.begin) * element_size(dtype);
        if (node != node_) {
          std::memcpy(data + begin, leaders_.data[node] + begin,
                      static_cast<std::size_t>(range.count) * element_size(dtype));
        }
      }
    }
    leaders_.met.arrive_and_wait();
  }

 private:
  Leaders& leaders_;
  std::size_t node_;
};

/// Threads of this process that stand in for the ranks of a node. Memory is at the same address for all of them.
class Ranks {
 public:
  /// `first`: the number of the first one among all ranks of the job.
  explicit Ranks(int size, int first = 0)
      : memory_(NodeControl::bytes(size) + 64), staging_(static_cast<std::size_t>(size)), size_(size), first_(first) {
    void* place = memory_.data();
    std::size_t space = memory_.size();
    control_ = new (std::align(64, NodeControl::bytes(size), place, space)) NodeControl{};
    for (int i = 0; i < size; ++i) {
      new (&control_->rank(i)) NodeRank{};
      control_->rank(i).rank = first_ + i;
      staging_[static_cast<std::size_t>(i)].resize(NodeSums::kStagingBytes);
    }
  }

  NodeControl& control() { return *control_; }

  using Body = std::function<void(NodeRendezvous& node, NodeSums& sums)>;
  /// Runs `body` on every rank and waits. `shares` says whether a rank's buffers can be seen by the others.
  void run(
      const Body& body, const std::function<bool(int)>& shares = [](int) { return true; }) {
    std::vector<std::thread> threads;
    threads.reserve(static_cast<std::size_t>(size_));
    for (int i = 0; i < size_; ++i) {
      threads.emplace_back([&, i] {
        std::byte* const staging = staging_[static_cast<std::size_t>(i)].data();
        const WaitRules rules;
        NodeRendezvous node(*control_, i, size_, rules);
        const auto place = [&](const std::byte* data) {
          return shares(i) || data == staging ? Place{.segment = 1, .offset = reinterpret_cast<std::uintptr_t>(data)}
                                              : Place();
        };
        const auto address = [](int, const Place& at) { return std::bit_cast<std::byte*>(at.offset); };
        NodeSums sums(node, place, address, staging);
        if (first_ == 0) {
          sums.use(nullptr);  // another node is not all of the job
        }
        body(node, sums);
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    std::memset(static_cast<void*>(control_), 0, NodeControl::bytes(size_));  // for the next run
    for (int i = 0; i < size_; ++i) {
      control_->rank(i).rank = first_ + i;
    }
  }

 private:
  std::vector<std::byte> memory_;
  std::vector<std::vector<std::byte>> staging_;
  NodeControl* control_ = nullptr;
  int size_;
  int first_;
};

/// Values whose sums depend on the order in which they are added.
template <class T>
T element(std::int64_t i, int rank) {
  return static_cast<T>(1.0 / static_cast<double>(1 + (i * 31 + rank * 17) % 97) * 100);
}

Tensor input(std::int64_t n, int rank, ScalarType dtype) {
  Tensor x = empty_tensor({n}, dtype);
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < n; ++i) {
      x.data_ptr<T>()[i] = element<T>(i, rank);
    }
  });
  return x;
}

/// In the order of the ranks; bfloat16 in float32.
Tensor expected_sum(std::int64_t n, int ranks, ScalarType dtype) {
  Tensor y = empty_tensor({n}, dtype);
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    using Sum = std::conditional_t<std::is_same_v<T, BFloat16>, float, T>;
    for (std::int64_t i = 0; i < n; ++i) {
      auto sum = static_cast<Sum>(element<T>(i, 0));
      for (int rank = 1; rank < ranks; ++rank) {
        sum = static_cast<Sum>(sum + static_cast<Sum>(element<T>(i, rank)));
      }
      y.data_ptr<T>()[i] = static_cast<T>(sum);
    }
  });
  return y;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.nbytes() == b.nbytes() && std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

Buffer buffer(const Tensor& x) { return {x.mutable_data_ptr(), x.numel(), x.scalar_type()}; }

MpiCall call_of(MpiCall::Kind kind, const Tensor& x, std::int64_t tag = 0) {
  return {kind, x.numel(), static_cast<std::int64_t>(x.scalar_type()), tag};
}

std::vector<Tensor> inputs(int ranks, std::int64_t n, ScalarType dtype) {
  std::vector<Tensor> all;
  all.reserve(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) {
    all.push_back(input(n, rank, dtype));
  }
  return all;
}

/// Of the threads that stand in for ranks: Catch2's checks are for one thread.
void must(bool holds) {
  if (!holds) {
    std::fputs("node sums: a rank has found something wrong\n", stderr);
    std::abort();
  }
}

constexpr ScalarType kSummed[] = {kUInt8, kInt32, kInt64, kBFloat16, kFloat32, kFloat64};

}  // namespace

TEST_CASE("node sums: every rank gets the sum in the order of the ranks", "[node_sums]") {
  for (const int ranks : {1, 2, 3, 4, 7, 8}) {
    Ranks node(ranks);
    for (const ScalarType dtype : kSummed) {
      for (const std::int64_t n : {0, 1, 63, 1001, 300007}) {
        const std::vector<Tensor> x = inputs(ranks, n, dtype);
        const Tensor expected = expected_sum(n, ranks, dtype);
        node.run([&](NodeRendezvous& self, NodeSums& sums) {
          const Tensor& mine = x[static_cast<std::size_t>(self.index())];
          must(sums.all_reduce(call_of(MpiCall::Kind::AllReduce, mine), buffer(mine)));
        });
        for (const Tensor& sum : x) {
          CHECK(same_bits(sum, expected));
        }
      }
    }
  }
}

TEST_CASE("node sums: memory that is not shared gives the same bits", "[node_sums]") {
  const std::int64_t n = 700001;  // two parts of the staging block in float32
  for (const int ranks : {2, 3}) {
    Ranks node(ranks);
    const Tensor expected = expected_sum(n, ranks, kFloat32);
    for (const int staged : {0, 1, -1}) {  // that rank alone, or all of them
      const std::vector<Tensor> x = inputs(ranks, n, kFloat32);
      node.run(
          [&](NodeRendezvous& self, NodeSums& sums) {
            const Tensor& mine = x[static_cast<std::size_t>(self.index())];
            must(sums.all_reduce(call_of(MpiCall::Kind::AllReduce, mine), buffer(mine)));
          },
          [&](int rank) { return staged >= 0 && rank != staged; });
      for (const Tensor& sum : x) {
        CHECK(same_bits(sum, expected));
      }
    }
  }
}

TEST_CASE("node sums: a reduction in two halves gives the same bits", "[node_sums]") {
  for (const int ranks : {1, 2, 5}) {
    Ranks node(ranks);
    for (const std::int64_t part : {0, 1, 33, 70001}) {
      for (const bool shared : {true, false}) {
        const std::int64_t n = part * ranks;
        const std::vector<Tensor> x = inputs(ranks, n, kFloat32);
        const Tensor expected = expected_sum(n, ranks, kFloat32);
        node.run(
            [&](NodeRendezvous& self, NodeSums& sums) {
              const Tensor& mine = x[static_cast<std::size_t>(self.index())];
              const auto begin = self.index() * part;
              must(sums.reduce_scatter(call_of(MpiCall::Kind::ReduceScatterAsync, mine), buffer(mine)));
              must(std::memcmp(mine.data_ptr<float>() + begin, expected.data_ptr<float>() + begin,
                               static_cast<std::size_t>(part) * sizeof(float)) == 0);
              must(sums.all_gather(call_of(MpiCall::Kind::AllGatherAsync, mine), buffer(mine)));
            },
            [&](int) { return shared; });
        for (const Tensor& sum : x) {
          CHECK(same_bits(sum, expected));
        }
      }
    }
  }
}

TEST_CASE("node sums: of several nodes, by rank inside a node and then by node", "[node_sums]") {
  // Nodes of different sizes, their first ranks the leaders.
  const std::vector<std::vector<int>> nodes = {{0, 1, 2}, {3}, {4, 5}};
  const int ranks = 6;
  enum class Shared { All, None, AllButOne };  // who has its data in shared memory
  for (const Shared shared : {Shared::All, Shared::None, Shared::AllButOne}) {
    for (const std::int64_t part : {0, 1, 333, 400001}) {  // the last in several parts
      const std::int64_t n = part * ranks;
      const std::vector<Tensor> whole = inputs(ranks, n, kFloat32);
      const std::vector<Tensor> halves = inputs(ranks, n, kFloat32);
      Leaders leaders(nodes);
      std::vector<std::thread> threads;
      threads.reserve(nodes.size());
      for (const std::vector<int>& members : nodes) {
        threads.emplace_back([&] {
          Ranks node(static_cast<int>(members.size()), members.front());
          node.run(
              [&](NodeRendezvous& self, NodeSums& sums) {
                ThreadLink link(leaders, static_cast<int>(&members - nodes.data()));
                sums.use(&link);
                const int rank = members.front() + self.index();
                const Tensor& a = whole[static_cast<std::size_t>(rank)];
                const Tensor& b = halves[static_cast<std::size_t>(rank)];
                must(sums.agree({MpiCall::Kind::Barrier}));
                must(sums.all_reduce(call_of(MpiCall::Kind::AllReduce, a), buffer(a)));
                const std::int64_t tag = rank == 4 ? 1 : 0;
                must(!sums.all_reduce(call_of(MpiCall::Kind::AllReduceAsync, a, tag),
                                      buffer(empty_tensor({n}, kFloat32))));
                must(sums.reduce_scatter(call_of(MpiCall::Kind::ReduceScatterAsync, b), buffer(b)));
                must(sums.all_gather(call_of(MpiCall::Kind::AllGatherAsync, b), buffer(b)));
              },
              [&](int i) {
                return shared == Shared::All || (shared == Shared::AllButOne && members.front() + i != 3);
              });
        });
      }
      for (std::thread& thread : threads) {
        thread.join();
      }
      const Tensor expected = empty_tensor({n}, kFloat32);
      for (std::int64_t i = 0; i < n; ++i) {
        const auto x = [i](int rank) { return element<float>(i, rank); };
        expected.data_ptr<float>()[i] = ((x(0) + x(1) + x(2)) + x(3)) + (x(4) + x(5));
      }
      for (int rank = 0; rank < ranks; ++rank) {
        CHECK(same_bits(whole[static_cast<std::size_t>(rank)], expected));
        CHECK(same_bits(halves[static_cast<std::size_t>(rank)], expected));
      }
    }
  }
}

TEST_CASE("node sums: many calls of all sizes one after the other", "[node_sums]") {
  const int ranks = 4;
  Ranks node(ranks);
  constexpr int kCalls = 400;
  std::vector<std::vector<Tensor>> x;
  x.reserve(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    x.push_back(inputs(ranks, (i * 7919) % 50021, kFloat32));
  }
  node.run([&](NodeRendezvous& self, NodeSums& sums) {
    for (int i = 0; i < kCalls; ++i) {
      const Tensor& mine = x[static_cast<std::size_t>(i)][static_cast<std::size_t>(self.index())];
      must(sums.all_reduce(call_of(MpiCall::Kind::AllReduceAsync, mine, i), buffer(mine)));
      if (i % 10 == 0) {
        must(self.arrive({MpiCall::Kind::Barrier}, {}, NodeRendezvous::Wake::Now));
      }
    }
  });
  for (const std::vector<Tensor>& sums : x) {
    const Tensor expected = expected_sum(sums[0].numel(), ranks, kFloat32);
    for (const Tensor& sum : sums) {
      REQUIRE(same_bits(sum, expected));
    }
  }
}

TEST_CASE("node sums: ranks that disagree all learn who wants what, and can go on", "[node_sums]") {
  const int ranks = 3;
  Ranks node(ranks);
  const std::vector<Tensor> x = inputs(ranks, 10, kFloat32);
  std::atomic<int> told{0};
  node.run([&](NodeRendezvous& self, NodeSums& sums) {
    const Tensor& mine = x[static_cast<std::size_t>(self.index())];
    const std::int64_t tag = self.index() == 2 ? 8 : 7;
    if (!sums.all_reduce(call_of(MpiCall::Kind::AllReduceAsync, mine, tag), buffer(mine))) {
      told += MpiCall::of(self.posted(0).call).tag == 7 && MpiCall::of(self.posted(2).call).tag == 8 ? 1 : 0;
    }
    must(sums.all_reduce(call_of(MpiCall::Kind::AllReduceAsync, mine, 9), buffer(mine)));
  });
  CHECK(told == ranks);
  CHECK(same_bits(x[0], expected_sum(10, ranks, kFloat32)));
}

TEST_CASE("node rendezvous: each piece is done once, by whoever is there", "[node_sums]") {
  for (const int ranks : {1, 2, 5}) {
    Ranks node(ranks);
    for (const int pieces : {0, 1, 4, 1000}) {
      std::vector<std::atomic<int>> done(static_cast<std::size_t>(pieces));
      node.run([&](NodeRendezvous& self, NodeSums&) {
        must(self.arrive({MpiCall::Kind::Barrier}, {},
                         pieces > 0 ? NodeRendezvous::Wake::WhenDone : NodeRendezvous::Wake::Now));
        self.share(pieces, [&](std::int64_t i) { ++done[static_cast<std::size_t>(i)]; });
        for (const std::atomic<int>& count : done) {
          must(count == 1);
        }
      });
    }
  }
}

TEST_CASE("node rendezvous: a wait has a limit, and one of those that wait says for whom", "[node_sums]") {
  const int ranks = 3;
  Ranks node(ranks);
  std::atomic<int> limits{0};
  std::vector<std::string> warnings(static_cast<std::size_t>(ranks));
  std::vector<std::string> errors(static_cast<std::size_t>(ranks));
  node.run([&](NodeRendezvous& self, NodeSums&) {
    if (self.index() == 1) {
      return;  // does not come
    }
    const auto me = static_cast<std::size_t>(self.index());
    WaitRules rules;
    rules.limits = {.timeout_s = 0.5, .warn_s = 0.1, .warn = [&](const std::string& text) { warnings[me] = text; }};
    rules.step = 12;
    rules.still_wanted = [&] {
      if (limits > 0) {
        throw Cancelled("the other has told");
      }
    };
    NodeRendezvous late(node.control(), self.index(), ranks, rules);
    try {
      late.arrive({MpiCall::Kind::AllReduceAsync, 5, static_cast<std::int64_t>(kFloat32), 0}, {},
                  NodeRendezvous::Wake::Now);
    } catch (const UnusableError& error) {
      errors[me] = error.what();
      ++limits;
    } catch (const Cancelled&) {
    }
  });
  CHECK(limits == 1);
  CHECK_THAT(errors[0] + errors[2], ContainsSubstring(" s for rank 1 in step 12, bucket 0, all_reduce_async f32[5]"));
  CHECK((warnings[0].empty() || warnings[2].empty()));
  CHECK_THAT(warnings[0] + warnings[2], StartsWith("waiting for rank 1 in step 12, bucket 0"));
}

TEST_CASE("node rendezvous: one of the ranks that fail may tell, however often it asks", "[node_sums]") {
  Ranks ranks(4);
  std::atomic<int> claims = 0;
  ranks.run([&](NodeRendezvous& node, NodeSums&) {
    const bool first = node.claim_failure();
    claims += first ? 1 : 0;
    if (node.claim_failure() != first) {
      claims += 100;
    }
  });
  CHECK(claims == 1);
}
