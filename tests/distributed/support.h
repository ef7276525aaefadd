#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/distributed/data_parallel.h>

namespace backflow::test {

/// The ranks that run these tests together; every test case is run by all of them.
inline std::shared_ptr<distributed::Communicator> world() { return distributed::Communicator::world(); }

/// A tensor whose elements are all `value`.
inline Tensor filled(IntArrayRef sizes, double value, ScalarType dtype = kFloat32) {
  Tensor x = empty_tensor(sizes, dtype);
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(x.data_ptr<T>(), x.numel(), static_cast<T>(value));
  });
  return x;
}

/// A leaf that requires a gradient.
inline Tensor parameter(IntArrayRef sizes, double value = 0, ScalarType dtype = kFloat32) {
  return filled(sizes, value, dtype).set_requires_grad(true);
}

/// The elements of a contiguous tensor.
inline std::vector<double> values(const Tensor& x) {
  return dispatch(x.scalar_type(), [&](auto zero) {
    const auto* data = x.data_ptr<decltype(zero)>();
    return std::vector<double>(data, data + x.numel());
  });
}

inline bool all_equal(const Tensor& x, double value) {
  const auto all = values(x);
  return std::all_of(all.begin(), all.end(), [&](double element) { return element == value; });
}

/// What backward does at a leaf: the gradient, all of it `value`, is put into the leaf's buffer or added to what is
/// there.
void receive_gradient(const Tensor& leaf, double value);

/// Runs a task and waits until it is done; rethrows its error.
void run_and_wait(const PassTask& task);

/// One of several ranks that are not there: reductions wait until the test completes them.
class FakeCommunicator final : public distributed::Communicator {
 public:
  struct Reduction {
    distributed::Buffer buffer;
    std::int64_t tag;
    Completion done;
  };

  FakeCommunicator(int rank, int size) : rank_(rank), size_(size) {}

  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return size_; }
  int local_rank() const noexcept override { return rank_; }
  int local_size() const noexcept override { return size_; }
  void all_reduce_async(const Tensor& x, std::int64_t tag, Completion done) override {
    reductions.push_back({buffer_of("all_reduce_async", x), tag, std::move(done)});
  }
  void reduce_scatter_async(const Tensor& x, std::int64_t tag, Completion done) override {
    reductions.push_back({parts_of("reduce_scatter_async", x), tag, std::move(done)});
  }
  void all_gather_async(const Tensor& x, std::int64_t tag, Completion done) override {
    reductions.push_back({parts_of("all_gather_async", x), tag, std::move(done)});
  }
  void barrier() override {}
  std::vector<std::string> all_gather(const std::string& text) override {
    return std::vector<std::string>(static_cast<std::size_t>(size_), text);
  }
  void run(const std::function<void()>& job) override { job(); }
  void* native_handle() noexcept override { return nullptr; }
  [[noreturn]] void abort(int exit_code) noexcept override { std::_Exit(exit_code); }

  std::vector<Reduction> reductions;  ///< in the order in which they were started

 protected:
  void reduce(distributed::Buffer) override {}
  void send_from(distributed::Buffer, int) override {}

 private:
  int rank_;
  int size_;
};

}  // namespace backflow::test
