#include <backflow/distributed/rank_place.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <sstream>

#include <backflow/distributed/calls/own_place_internal.h>
#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/versions.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/binding.h>
#include <backflow/runtime/threads/pool.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::distributed {
namespace {

/// Numbers and texts, one a line.
class Writer {
 public:
  Writer& operator<<(const std::string& line) {
    text_ += line + '\n';
    return *this;
  }
  Writer& operator<<(int number) { return *this << std::to_string(number); }
  Writer& operator<<(const std::vector<int>& numbers) {
    std::string line;
    for (const int number : numbers) {
      line += to_text(number, ' ');
    }
    return *this << line;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// What a Writer has written, in its order.
class Reader {
 public:
  explicit Reader(const std::string& text) : in_(text) {}
  Reader& operator>>(std::string& line) {
    std::getline(in_, line);
    return *this;
  }
  Reader& operator>>(int& number) {
    const std::string text = line();
    number = std::stoi(text);
    return *this;
  }
  Reader& operator>>(bool& flag) {
    flag = line() == "1";
    return *this;
  }
  Reader& operator>>(std::vector<int>& numbers) {
    std::istringstream in(line());
    numbers.clear();
    for (int number = 0; in >> number;) {
      numbers.push_back(number);
    }
    return *this;
  }

 private:
  std::string line() {
    std::string text;
    std::getline(in_, text);
    return text;
  }
  std::istringstream in_;
};

/// What the ranks tell each other before anything is decided.
struct Application {
  std::string host;
  RankRequest request;

  std::string text() const {
    return (Writer() << host << request.cpus << request.threads << static_cast<int>(request.binding)
                     << static_cast<int>(request.memory))
        .text();
  }
  static Application from(const std::string& text) {
    Application got;
    int binding = 0;
    int memory = 0;
    Reader(text) >> got.host >> got.request.cpus >> got.request.threads >> binding >> memory;
    got.request.binding = static_cast<ThreadBinding>(binding);
    got.request.memory = static_cast<MemoryPolicy>(memory);
    return got;
  }
};

/// This rank's placement, among the ranks of its node.
Placement decide(Communicator& world, const Topology& topology, const Application& own) {
  std::vector<RankRequest> requests;
  std::size_t place = 0;
  const std::vector<std::string> texts = world.all_gather(own.text());
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    const Application application = Application::from(texts[rank]);
    if (static_cast<int>(rank) == world.rank()) {
      place = requests.size();
    }
    if (application.host == own.host) {
      requests.push_back(application.request);
    }
  }
  const JobShape job{.ranks = world.size(), .is_launched = launch_environment().launched};
  return place_ranks(topology, requests, job)[place];
}

/// Whether the system did all of it.
bool bind_ranks(Communicator& world, const Placement& placement) {
  set_num_threads(placement.threads);
  if (placement.shares_cores) {
    set_spin_time(0);  // another rank's threads have work meanwhile
  }
  bool done = true;
  if (!placement.communication_cpus.empty()) {
    world.run([&] { done = bind_this_thread(placement.communication_cpus); });
  }
  return bind_pool(placement) && done;
}

/// Those of the calling thread; all there are when the system does not say.
std::vector<int> usable_cpus(const Topology& topology) {
  std::vector<int> cpus = cpus_of_this_thread();
  if (cpus.empty()) {
    for (const Topology::Core& core : topology.cores) {
      cpus.insert(cpus.end(), core.cpus.begin(), core.cpus.end());
    }
    std::sort(cpus.begin(), cpus.end());
  }
  return cpus;
}

int numa_nodes_of(const Topology& topology) {
  std::set<int> nodes;
  for (const Topology::Core& core : topology.cores) {
    nodes.insert(core.numa_node);
  }
  return std::max(static_cast<int>(nodes.size()), 1);
}

}  // namespace

std::string RankPlace::text() const {
  const Placement& p = placement;
  return (Writer() << host << p.threads << p.cpus << p.cores << p.numa_nodes << p.thread_cpus << p.communication_cpus
                   << p.communication_core << int{p.shares_cores} << int{p.is_interleaved} << job_cores << numa_nodes
                   << int{is_refused} << instruction_sets)
      .text();
}

RankPlace RankPlace::from(const std::string& text) {
  RankPlace place;
  Placement& p = place.placement;
  Reader(text) >> place.host >> p.threads >> p.cpus >> p.cores >> p.numa_nodes >> p.thread_cpus >>
      p.communication_cpus >> p.communication_core >> p.shares_cores >> p.is_interleaved >> place.job_cores >>
      place.numa_nodes >> place.is_refused >> place.instruction_sets;
  return place;
}

std::vector<RankPlace> place_this_rank(Communicator& world, const RankRequest& request) {
  const Topology& topology = Topology::machine();
  Application application{.host = host_name(), .request = request};
  application.request.cpus = usable_cpus(topology);
  RankPlace own{
      .host = application.host,
      .placement = decide(world, topology, application),
      .job_cores = cores_of_cpus(topology, launcher_cpus()),
      .numa_nodes = numa_nodes_of(topology),
      .is_refused = false,
      .instruction_sets = to_text("oneDNN ", kernels::onednn_isa(), ", Highway ", kernels::instruction_set())};
  own.is_refused = !bind_ranks(world, own.placement);
  std::vector<RankPlace> all;
  for (const std::string& text : world.all_gather(own.text())) {
    all.push_back(RankPlace::from(text));
  }
  return all;
}

}  // namespace backflow::distributed
