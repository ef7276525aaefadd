#include <unistd.h>

#include <new>
#include <random>

#include <backflow/distributed/node/node_internal.h>

namespace backflow::distributed {

/// What the first rank of a node tells the others.
struct Node::Invitation {
  std::int64_t process = 0;
  std::uint64_t cookie = 0;
  Place control;
};

std::unique_ptr<Node> Node::join(const MpiWorld& world, MPI_Comm comm, const WaitRules& rules) {
  int index = 0;
  int size = 0;
  world.check_mpi(MPI_Comm_rank(comm, &index), "MPI_Comm_rank");
  world.check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  std::unique_ptr<Node> node(new Node);
  node->staging_ = node->memory_->map_block(NodeSums::kStagingBytes);
  const bool is_open = node->open_control(world, comm, index, size);
  if (is_open) {
    node->introduce(world.rank(), index, size, rules);
  }
  int all_open = 0;
  const int mine = is_open && node->staging_ != nullptr ? 1 : 0;
  world.check_mpi(MPI_Allreduce(&mine, &all_open, 1, MPI_INT, MPI_MIN, comm), "MPI_Allreduce");
  return all_open != 0 ? std::move(node) : nullptr;
}

bool Node::open_control(const MpiWorld& world, MPI_Comm comm, int index, int size) {
  Invitation invitation;
  if (index == 0) {
    std::byte* block = memory_->map_block(NodeControl::bytes(size));
    if (block != nullptr) {
      invitation = {getpid(), std::random_device()() | std::uint64_t{1} << 32, memory_->place_of(block)};
      control_ = new (block) NodeControl{};
      control_->cookie = invitation.cookie;
      for (int i = 0; i < size; ++i) {
        new (&control_->rank(i)) NodeRank{};
      }
    }
  }
  world.check_mpi(MPI_Bcast(&invitation, sizeof invitation, MPI_BYTE, 0, comm), "MPI_Bcast");
  if (index > 0 && invitation.process != 0) {
    const auto process = static_cast<std::int32_t>(invitation.process);
    control_ = reinterpret_cast<NodeControl*>(control_memory_.address(process, invitation.control));
  }
  // In a container of its own, a rank may have opened what belongs to quite another process of that number.
  return control_ != nullptr && control_->cookie == invitation.cookie;
}

void Node::introduce(int rank, int index, int size, const WaitRules& rules) {
  control_->rank(index).rank = rank;
  control_->rank(index).process = getpid();
  rendezvous_.emplace(*control_, index, size, rules);
  sums_.emplace(
      *rendezvous_, [this](const std::byte* data) { return memory_->place_of(data); },
      [this](int other, const Place& place) { return peers_.address(rendezvous_->process_of(other), place); },
      staging_);
}

}  // namespace backflow::distributed
