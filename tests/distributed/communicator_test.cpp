#include <backflow/distributed/communicator.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>

using namespace backflow;
using backflow::distributed::Communicator;
using backflow::distributed::NullCommunicator;
using backflow::test::all_equal;
using backflow::test::filled;
using backflow::test::values;
using backflow::test::world;

namespace {

using Call = void (Communicator::*)(const Tensor&, std::int64_t, Completion);

/// Starts a call and gives its end.
std::future<void> start(Call call, Communicator& communicator, const Tensor& x, std::int64_t tag = 0) {
  auto promise = std::make_shared<std::promise<void>>();
  auto future = promise->get_future();
  (communicator.*call)(x, tag, [promise](const std::exception_ptr& error) {
    error ? promise->set_exception(error) : promise->set_value();
  });
  return future;
}

std::future<void> reduce_async(Communicator& communicator, const Tensor& x, std::int64_t tag) {
  return start(&Communicator::all_reduce_async, communicator, x, tag);
}

/// Elements that differ between ranks and positions; whole numbers, so that sums are exact.
Tensor numbered(std::int64_t n, int rank, ScalarType dtype) {
  Tensor x = empty_tensor({n}, dtype);
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < n; ++i) {
      x.data_ptr<T>()[i] = static_cast<T>((i + rank) % 13);
    }
  });
  return x;
}

}  // namespace

TEST_CASE("communicator: Open MPI sends large messages over TCP, in both directions at once, and puts none") {
  world();
  const char* flags = std::getenv("OMPI_MCA_btl_tcp_flags");
  REQUIRE(flags != nullptr);
  CHECK(std::string(flags).find("send") != std::string::npos);
  CHECK(std::string(flags).find("put") == std::string::npos);
}

TEST_CASE("communicator: rank and size are those of the launcher", "[communicator]") {
  const auto ours = world();
  const auto environment = distributed::launch_environment();
  CHECK(ours->rank() == environment.rank);
  CHECK(ours->size() == environment.size);
  CHECK(ours->rank() == distributed::environment_rank());
  CHECK(ours->local_rank() >= 0);
  CHECK(ours->local_rank() < ours->local_size());
  CHECK(ours->local_size() <= ours->size());
  CHECK(world() == ours);
}

TEST_CASE("communicator: sums of all sizes and dtypes", "[communicator]") {
  const auto ours = world();
  const double size = ours->size();
  const std::int64_t elements[] = {0, 1, 7, 1000, 262144, 3 * 1048576 + 5};  // the last takes several pieces
  for (const ScalarType dtype : {kUInt8, kInt64, kFloat32, kFloat64}) {
    for (const std::int64_t n : elements) {
      const Tensor x = filled({n}, ours->rank() + 1, dtype);
      const auto version = x.impl().storage->version();
      ours->all_reduce_sum(x);
      CHECK(all_equal(x, size * (size + 1) / 2));
      CHECK(x.impl().storage->version() > version);
    }
  }
}

TEST_CASE("communicator: sums are in place by position, and equal in bits on all ranks", "[communicator]") {
  const auto ours = world();
  const std::int64_t n = 100000;
  const Tensor x = empty_tensor({n}, kFloat32);
  for (std::int64_t i = 0; i < n; ++i) {
    x.data_ptr<float>()[i] = 1.0F / static_cast<float>(i + 1 + 7 * ours->rank());
  }
  const float first = x.data_ptr<float>()[0];
  ours->all_reduce_sum(x);
  CHECK((ours->size() == 1) == (x.data_ptr<float>()[0] == first));
  const std::string mine(static_cast<const char*>(x.data_ptr()), x.nbytes());
  for (const std::string& other : ours->all_gather(mine)) {
    CHECK((other == mine));
  }
}

TEST_CASE("communicator: sums of plain numbers", "[communicator]") {
  const auto ours = world();
  std::array<double, 2> reals = {1.5, static_cast<double>(ours->rank())};
  std::array<std::int64_t, 1> integers = {ours->rank() + 1};
  ours->all_reduce_sum(reals);
  ours->all_reduce_sum(integers);
  const auto n = ours->size();
  CHECK(reals[0] == 1.5 * n);
  CHECK(reals[1] == n * (n - 1) / 2.0);
  CHECK(integers[0] == n * (n + 1) / 2);
}

TEST_CASE("communicator: broadcast from every root", "[communicator]") {
  const auto ours = world();
  for (int root = 0; root < ours->size(); ++root) {
    for (const std::int64_t n : {0, 1, 12345, 2000000}) {
      const Tensor x = filled({n}, ours->rank(), kFloat64);
      ours->broadcast(x, root);
      CHECK(all_equal(x, root));
    }
  }
}

TEST_CASE("communicator: texts of different lengths are gathered by rank", "[communicator]") {
  const auto ours = world();
  const auto text = [](int rank) {
    return std::string(static_cast<std::size_t>(rank * 1000), static_cast<char>('a' + rank));
  };
  const auto all = ours->all_gather(text(ours->rank()));
  REQUIRE(all.size() == static_cast<std::size_t>(ours->size()));
  for (int rank = 0; rank < ours->size(); ++rank) {
    CHECK((all[static_cast<std::size_t>(rank)] == text(rank)));
  }
}

TEST_CASE("communicator: asynchronous sums end in the order in which they were started", "[communicator]") {
  const auto ours = world();
  std::vector<Tensor> tensors;
  std::vector<std::int64_t> order;  // of the communication thread alone until all are done
  std::promise<void> all;
  for (std::int64_t i = 0; i < 20; ++i) {
    tensors.push_back(filled({(i * 7919) % 30011}, static_cast<double>(ours->rank() + i)));
  }
  for (std::int64_t i = 0; i < 20; ++i) {
    ours->all_reduce_async(tensors[static_cast<std::size_t>(i)], i, [&, i](const std::exception_ptr& error) {
      order.push_back(error ? -1 : i);
      if (i == 19) {
        all.set_value();
      }
    });
  }
  all.get_future().get();
  for (std::int64_t i = 0; i < 20; ++i) {
    CHECK(order[static_cast<std::size_t>(i)] == i);
    CHECK(all_equal(tensors[static_cast<std::size_t>(i)],
                    static_cast<double>(ours->size() * (ours->size() - 1) / 2 + i * ours->size())));
  }
}

TEST_CASE("communicator: a reduction in two halves, with the own part in between", "[communicator]") {
  const auto ours = world();
  const int size = ours->size();
  for (const ScalarType dtype : {kUInt8, kInt64, kFloat32, kFloat64}) {
    for (const std::int64_t part : {0, 1, 17, 300000}) {
      const bool shared = part % 2 == 1;
      const Tensor x = shared ? ours->allocate(part * size, dtype) : empty_tensor({part * size}, dtype);
      const std::vector<double> mine = values(numbered(part * size, ours->rank(), dtype));
      const auto version = x.impl().storage->version();
      dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        std::transform(mine.begin(), mine.end(), x.data_ptr<T>(),
                       [](double element) { return static_cast<T>(element); });
      });
      std::vector<double> sums(mine.size(), 0);
      for (int rank = 0; rank < size; ++rank) {
        const std::vector<double> theirs = values(numbered(part * size, rank, dtype));
        std::transform(sums.begin(), sums.end(), theirs.begin(), sums.begin(), std::plus<>());
      }
      start(&Communicator::reduce_scatter_async, *ours, x).get();
      const auto begin = ours->rank() * part;
      const std::vector<double> scattered = values(x);
      CHECK(std::equal(scattered.begin() + begin, scattered.begin() + begin + part, sums.begin() + begin));
      start(&Communicator::all_gather_async, *ours, x).get();
      CHECK(values(x) == sums);
      CHECK(x.impl().storage->version() > version);
    }
  }
}

TEST_CASE("communicator: memory that it gives is zero and may outlive it", "[communicator]") {
  const auto ours = world();
  for (const ScalarType dtype : {kBool, kBFloat16, kFloat32, kFloat64}) {
    for (const std::int64_t n : {0, 1, 1000000}) {
      const Tensor x = ours->allocate(n, dtype);
      CHECK(x.sizes() == IntArrayRef({n}));
      CHECK(x.scalar_type() == dtype);
      CHECK(all_equal(x, 0));
    }
  }
  const Tensor kept = NullCommunicator().allocate(3, kFloat32);
  CHECK(all_equal(kept, 0));
  CHECK_THROWS_WITH(ours->allocate(-1, kFloat32), Equals("allocate: -1 elements: need 0 or more"));
}

TEST_CASE("communicator: ranks that disagree get an Error each, and can go on", "[communicator]") {
  const auto ours = world();
  if (ours->size() == 1) {
    return;
  }
  const int last = ours->size() - 1;
  const bool is_last = ours->rank() == last;
  const std::string who = "rank " + std::to_string(last) + " at ";

  SECTION("sizes") {
    CHECK_THROWS_WITH(
        ours->all_reduce_sum(filled({is_last ? 3 : 4}, 1)),
        ContainsSubstring("rank 0 is at all_reduce_sum f32[4]") && ContainsSubstring(who + "all_reduce_sum f32[3]"));
  }
  SECTION("dtypes") {
    CHECK_THROWS_WITH(ours->all_reduce_sum(filled({4}, 1, is_last ? kFloat64 : kFloat32)),
                      ContainsSubstring(who + "all_reduce_sum f64[4]"));
  }
  SECTION("roots") {
    CHECK_THROWS_WITH(ours->broadcast(filled({4}, 1), is_last ? 1 : 0),
                      ContainsSubstring(who + "broadcast f32[4] from rank 1"));
  }
  SECTION("tags") {
    CHECK_THROWS_WITH(reduce_async(*ours, filled({4}, 1), is_last ? 8 : 7).get(), ContainsSubstring("with tag 8"));
  }
  SECTION("calls") {
    const auto call = [&] {
      if (is_last) {
        ours->barrier();
      } else {
        ours->all_gather("text");
      }
    };
    CHECK_THROWS_WITH(call(), ContainsSubstring("rank 0 is at all_gather, " + who + "barrier"));
  }
  const Tensor x = filled({5}, 1);
  ours->all_reduce_sum(x);
  CHECK(all_equal(x, ours->size()));
}

TEST_CASE("communicator: mistakes of one rank are found before anything is sent", "[communicator]") {
  const auto ours = world();
  const Tensor x = filled({2, 3}, 1);
  CHECK_THROWS_WITH(ours->all_reduce_sum(Tensor()), ContainsSubstring("all_reduce_sum: undefined tensor"));
  CHECK_THROWS_WITH(ours->all_reduce_sum(view_of(x, {3, 2}, {1, 3}, 0)), ContainsSubstring("need a contiguous tensor"));
  if (ours->size() > 1) {
    const auto ignore = [](const std::exception_ptr&) {};
    CHECK_THROWS_WITH(ours->reduce_scatter_async(filled({ours->size() + 1}, 1), 0, ignore),
                      ContainsSubstring("reduce_scatter_async: f32[") && ContainsSubstring("can share equally"));
    CHECK_THROWS_WITH(ours->all_gather_async(filled({ours->size() + 1}, 1), 0, ignore),
                      ContainsSubstring("all_gather_async: f32["));
  }
  CHECK_THROWS_WITH(ours->broadcast(x, ours->size()), ContainsSubstring("need a rank in [0, "));
  CHECK_THROWS_WITH(ours->broadcast(x, -1), ContainsSubstring("broadcast: root -1"));
  ours->barrier();
}

TEST_CASE("communicator: jobs run on its thread and their exceptions come back", "[communicator]") {
  const auto ours = world();
  std::thread::id where;
  ours->run([&] { where = std::this_thread::get_id(); });
  CHECK((where == std::this_thread::get_id()) == (ours->native_handle() == nullptr));
  CHECK_THROWS_WITH(ours->run([] { fail("a job failed"); }), Equals("a job failed"));
  if (ours->native_handle() != nullptr) {
    CHECK_THROWS_WITH(ours->run([&] { ours->barrier(); }), ContainsSubstring("would wait for itself"));
  }
  ours->barrier();
}

TEST_CASE("communicator: may be used from several threads, one at a time", "[communicator]") {
  const auto ours = world();
  for (int i = 0; i < 10; ++i) {
    const Tensor x = filled({100}, 1);
    std::thread([&] { ours->all_reduce_sum(x); }).join();
    CHECK(all_equal(x, ours->size()));
  }
}

TEST_CASE("communicator: a world of one leaves everything as it is", "[communicator]") {
  NullCommunicator one;
  const Tensor x = filled({3}, 2);
  bool done = false;
  one.all_reduce_sum(x);
  one.broadcast(x);
  one.barrier();
  one.all_reduce_async(x, 0, [&](const std::exception_ptr& error) { done = !error; });
  CHECK(done);
  start(&Communicator::reduce_scatter_async, one, x).get();
  start(&Communicator::all_gather_async, one, x).get();
  CHECK(all_equal(x, 2));
  CHECK(one.size() == 1);
  CHECK(one.local_size() == 1);
  CHECK(one.all_gather("a") == std::vector<std::string>{"a"});
}
