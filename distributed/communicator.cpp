#include <backflow/distributed/communicator.h>

#include <cstring>
#include <mutex>

#include <backflow/distributed/mpi_communicator.h>
#include <backflow/distributed/null_communicator.h>

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

void Communicator::all_reduce_sum(const Tensor& x) {
  reduce(buffer_of("all_reduce_sum", x));
  x.impl().storage->bump_version();
}

void Communicator::broadcast(const Tensor& x, int root) {
  check(root >= 0 && root < size(), "broadcast: root ", root, ": need a rank in [0, ", size(), ")");
  send_from(buffer_of("broadcast", x), root);
  x.impl().storage->bump_version();
}

}  // namespace backflow::distributed
