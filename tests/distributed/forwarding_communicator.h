#pragma once

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/communicator.h>

namespace backflow::test {

/// Hands every call on to another communicator; for tests that change one of them.
class ForwardingCommunicator : public distributed::Communicator {
 public:
  explicit ForwardingCommunicator(std::shared_ptr<distributed::Communicator> inner) : inner_(std::move(inner)) {}

  int rank() const noexcept override { return inner_->rank(); }
  int size() const noexcept override { return inner_->size(); }
  int local_rank() const noexcept override { return inner_->local_rank(); }
  int local_size() const noexcept override { return inner_->local_size(); }
  void all_reduce_async(const Tensor& x, std::int64_t tag, Completion done) override {
    inner_->all_reduce_async(x, tag, std::move(done));
  }
  void reduce_scatter_async(const Tensor& x, std::int64_t tag, Completion done) override {
    inner_->reduce_scatter_async(x, tag, std::move(done));
  }
  void all_gather_async(const Tensor& x, std::int64_t tag, Completion done) override {
    inner_->all_gather_async(x, tag, std::move(done));
  }
  Tensor allocate(std::int64_t numel, ScalarType dtype) override { return inner_->allocate(numel, dtype); }
  void tree_sum_async(const Tensor& nodes, int shards, const Tensor& sum, std::int64_t tag, Completion done) override {
    inner_->tree_sum_async(nodes, shards, sum, tag, std::move(done));
  }
  void barrier() override { inner_->barrier(); }
  std::vector<std::string> all_gather(const std::string& text) override { return inner_->all_gather(text); }
  void run(const std::function<void()>& job) override { inner_->run(job); }
  void* native_handle() noexcept override { return inner_->native_handle(); }
  [[noreturn]] void abort(int exit_code) noexcept override {
    inner_->abort(exit_code);
    std::_Exit(exit_code);
  }

 protected:
  distributed::Communicator& inner() { return *inner_; }
  void reduce(distributed::Buffer x) override { inner_->all_reduce_sum(view(x)); }
  void send_from(distributed::Buffer x, int root) override { inner_->broadcast(view(x), root); }

 private:
  static Tensor view(distributed::Buffer x) {
    return Tensor(
        TensorImpl::make(Storage::wrap(x.data, static_cast<std::size_t>(x.count) * element_size(x.dtype), [](void*) {}),
                         x.dtype, {x.count}));
  }

  std::shared_ptr<distributed::Communicator> inner_;
};

}  // namespace backflow::test
