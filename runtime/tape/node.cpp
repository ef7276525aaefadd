#include <backflow/runtime/tape/node.h>

#include <utility>

#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow {

void* Node::operator new(std::size_t bytes) { return allocate_object(bytes); }

void Node::operator delete(void* memory) noexcept { deallocate_object(memory); }

void Node::destroy() noexcept {
  // Destroying a node drops its edges and saved tensors, which may destroy further nodes: those queue up behind the
  // first instead of recursing, so that the depth of the stack does not grow with the length of the tape.
  thread_local bool destroying = false;
  thread_local Node* waiting = nullptr;
  if (destroying) {
    next_ = waiting;
    waiting = this;
    return;
  }
  destroying = true;
  delete this;
  while (waiting != nullptr) {
    Node* node = waiting;
    waiting = node->next_;
    delete node;
  }
  destroying = false;
}

Node::~Node() = default;

std::string_view Node::static_name() const { return trace::intern(name()); }

void Node::fail_freed() {
  fail("the graph was freed by an earlier backward: need retain_graph=true there to go through it again");
}

}  // namespace backflow
