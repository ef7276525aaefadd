// The nodes that a closure of parallel() records.
#include <utility>

#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/threads/branch.h>

namespace backflow {

void Branch::log(Node& node) {
  if (index_ > 0 || outer_ != nullptr) {  // the first has the numbers of a serial run already
    node.retain();
    keep(node);
  }
}

void Branch::keep(Node& node) {
  Node* first = nodes_.load(std::memory_order_relaxed);
  do {
    node.next_ = first;
  } while (!nodes_.compare_exchange_weak(first, &node, std::memory_order_release, std::memory_order_relaxed));
}

void Branch::renumber(std::uint64_t offset) {
  Node* next = nodes_.exchange(nullptr, std::memory_order_acquire);
  while (next != nullptr) {
    Node& node = *next;
    next = std::exchange(node.next_, nullptr);
    node.sequence_nr_ += offset;
    if (outer_ != nullptr) {
      outer_->keep(node);
    } else {
      IntrusivePtr<Node>::adopt(&node).reset();
    }
  }
}

void Node::log() { thread_state().branch->log(*this); }

}  // namespace backflow
