#include <backflow/distributed/communicator.h>

#include <cstring>
#include <mutex>
#include <utility>

#include <backflow/distributed/mpi/mpi_communicator.h>
#include <backflow/distributed/null_communicator.h>
#include <backflow/distributed/shards/shards.h>

namespace backflow::distributed {

Buffer Communicator::buffer_of(const char* where, const Tensor& x) {
  check(x.defined(), where, ": undefined tensor: need one with elements");
  check(x.is_contiguous(), where, ": ", describe(x), " with strides ", x.strides(),
        ": need a contiguous tensor; contiguous() gives one");
  return {x.mutable_data_ptr(), x.numel(), x.scalar_type()};
}

Buffer Communicator::parts_of(const char* where, const Tensor& x) const {
  const Buffer buffer = buffer_of(where, x);
  check(buffer.count % size() == 0, where, ": ", describe(x), " on ", size(),
        " ranks: need a number of elements that they can share equally");
  return buffer;
}

Tensor Communicator::allocate(std::int64_t numel, ScalarType dtype) {
  check(numel >= 0, "allocate: ", numel, " elements: need 0 or more");
  const Tensor x = empty_tensor({numel}, dtype);
  std::memset(x.mutable_data_ptr(), 0, x.nbytes());
  return x;
}

std::shared_ptr<Communicator> Communicator::world() {
  static std::mutex mutex;
  static std::weak_ptr<Communicator> existing;
  const std::lock_guard lock(mutex);
  std::shared_ptr<Communicator> world = existing.lock();
  if (!world) {
    if (launch_environment().launched) {
      world = make_mpi_communicator();
    } else {
      world = std::make_shared<NullCommunicator>();
    }
    existing = world;
  }
  return world;
}

std::shared_ptr<Communicator> Communicator::from_address(const void* comm, std::size_t bytes) {
  return make_mpi_communicator(comm, bytes);
}

std::shared_ptr<Communicator> Communicator::duplicate() {
  fail("communicator: duplicate: this one can't be: need one that Communicator made");
}

void Communicator::all_reduce_sum(const Tensor& x) {
  reduce(buffer_of("all_reduce_sum", x));
  x.impl().storage->bump_version();
}

void Communicator::check_tree_sum(const Tensor& nodes, int shards, const Tensor& sum) const {
  const Buffer from = buffer_of("tree_sum", nodes);
  const Buffer to = buffer_of("tree_sum", sum);
  check((from.dtype == kFloat32 || from.dtype == kFloat64) && from.dtype == to.dtype, "tree_sum: nodes ",
        describe(nodes), ", sum ", describe(sum), ": need one dtype, float32 or float64");
  const std::size_t rows = subtrees_in(shards, shards_of_rank(shards, rank(), size())).size();
  check(from.count == static_cast<std::int64_t>(rows) * to.count, "tree_sum: nodes ", describe(nodes), ", sum ",
        describe(sum), ": need ", rows, " rows as long as the sum, for ", shards, " shards on ", size(), " ranks");
}

void Communicator::tree_sum_async(const Tensor& nodes, int shards, const Tensor& sum, std::int64_t, Completion done) {
  check_tree_sum(nodes, shards, sum);
  check(size() == 1, "tree_sum: this communicator of ", size(), " ranks has none: need one that Communicator made");
  if (sum.numel() > 0) {
    std::memmove(sum.mutable_data_ptr(), nodes.const_data_ptr(), sum.nbytes());  // it may be the first row
  }
  sum.impl().storage->bump_version();
  done(nullptr);
}

void Communicator::tree_sum(const Tensor& nodes, int shards, const Tensor& sum) {
  start_and_wait([&](Completion done) {
    tree_sum_async(nodes, shards, sum, 0, std::move(done));
    progress();
  });
}

void Communicator::broadcast(const Tensor& x, int root) {
  check(root >= 0 && root < size(), "broadcast: root ", root, ": need a rank in [0, ", size(), ")");
  send_from(buffer_of("broadcast", x), root);
  x.impl().storage->bump_version();
}

}  // namespace backflow::distributed
