#include <backflow/runtime/threads/topology.h>

#include <algorithm>
#include <map>
#include <memory>

#include <hwloc.h>

#include <backflow/runtime/base/error.h>

namespace backflow {
namespace {

struct Destroy {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
  void operator()(hwloc_bitmap_t set) const { hwloc_bitmap_free(set); }
};
using Handle = std::unique_ptr<std::remove_pointer_t<hwloc_topology_t>, Destroy>;
using Bitmap = std::unique_ptr<std::remove_pointer_t<hwloc_bitmap_t>, Destroy>;

/// Null when hwloc cannot make it. `synthetic` is null for this machine.
Handle load(const char* synthetic) {
  hwloc_topology_t made = nullptr;
  if (hwloc_topology_init(&made) != 0) {
    return nullptr;
  }
  Handle topology(made);
  // Caches are not asked for, and cost time on machines of hundreds of cores.
  hwloc_topology_set_cache_types_filter(made, HWLOC_TYPE_FILTER_KEEP_NONE);
  if ((synthetic != nullptr && hwloc_topology_set_synthetic(made, synthetic) != 0) || hwloc_topology_load(made) != 0) {
    return nullptr;
  }
  return topology;
}

/// Never destroyed: threads that bind themselves may outlive static objects.
hwloc_topology_t machine_handle() {
  static const hwloc_topology_t handle = load(nullptr).release();
  return handle;
}

Topology read(hwloc_topology_t handle) {
  Topology topology;
  std::map<hwloc_obj_t, std::size_t> index;
  hwloc_obj_t cpu = nullptr;
  while (handle != nullptr && (cpu = hwloc_get_next_obj_by_type(handle, HWLOC_OBJ_PU, cpu)) != nullptr) {
    const hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(handle, HWLOC_OBJ_CORE, cpu);
    const auto [place, is_new] = index.emplace(core == nullptr ? cpu : core, topology.cores.size());
    if (is_new) {
      // Of several local nodes, as those of high-bandwidth memory, the first is that of ordinary memory.
      topology.cores.push_back({.cpus = {}, .numa_node = std::max(hwloc_bitmap_first(cpu->nodeset), 0)});
    }
    topology.cores[place->second].cpus.push_back(static_cast<int>(cpu->os_index));
  }
  for (Topology::Core& core : topology.cores) {
    std::sort(core.cpus.begin(), core.cpus.end());
  }
  return topology;
}

Bitmap bitmap_of(const std::vector<int>& numbers) {
  Bitmap set(hwloc_bitmap_alloc());
  for (const int number : numbers) {
    hwloc_bitmap_set(set.get(), static_cast<unsigned>(number));
  }
  return set;
}

std::vector<int> numbers_of(hwloc_const_bitmap_t set) {
  std::vector<int> numbers;
  if (hwloc_bitmap_weight(set) > 0) {  // neither empty nor infinite
    for (int i = hwloc_bitmap_first(set); i >= 0; i = hwloc_bitmap_next(set, i)) {
      numbers.push_back(i);
    }
  }
  return numbers;
}

}  // namespace

const Topology& Topology::machine() {
  static const auto* const topology = new Topology(read(machine_handle()));
  return *topology;
}

Topology Topology::synthetic(const std::string& text) {
  const Handle handle = load(text.c_str());
  check(handle != nullptr, "topology: hwloc rejects \"", text, "\": need a text such as \"numa:2 core:32 pu:2\"");
  return read(handle.get());
}

std::vector<int> cpus_of_process(int process) {
  const Bitmap set(hwloc_bitmap_alloc());
  const bool known = machine_handle() != nullptr &&
                     hwloc_get_proc_cpubind(machine_handle(), process, set.get(), HWLOC_CPUBIND_THREAD) == 0;
  return known ? numbers_of(set.get()) : std::vector<int>();
}

std::vector<int> cpus_of_this_thread() {
  const Bitmap set(hwloc_bitmap_alloc());
  const bool known =
      machine_handle() != nullptr && hwloc_get_cpubind(machine_handle(), set.get(), HWLOC_CPUBIND_THREAD) == 0;
  return known ? numbers_of(set.get()) : std::vector<int>();
}

bool bind_this_thread(const std::vector<int>& cpus) {
  return machine_handle() != nullptr && !cpus.empty() &&
         hwloc_set_cpubind(machine_handle(), bitmap_of(cpus).get(), HWLOC_CPUBIND_THREAD) == 0;
}

bool interleave_memory_of_this_thread(const std::vector<int>& numa_nodes) {
  const hwloc_topology_t machine = machine_handle();
  if (machine == nullptr) {
    return false;
  }
  const Bitmap nodes = bitmap_of(numa_nodes);
  const auto policy = numa_nodes.empty() ? HWLOC_MEMBIND_DEFAULT : HWLOC_MEMBIND_INTERLEAVE;
  const auto set = numa_nodes.empty() ? hwloc_topology_get_topology_nodeset(machine) : nodes.get();
  return hwloc_set_membind(machine, set, policy, HWLOC_MEMBIND_THREAD | HWLOC_MEMBIND_BYNODESET) == 0;
}

}  // namespace backflow
