#include <backflow/train/platform.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include <sched.h>
#include <unistd.h>

#include <backflow/distributed/version.h>
#include <backflow/io/metrics.h>
#include <backflow/io/versions.h>
#include <backflow/ops/kernels/loops.h>
#include <backflow/ops/kernels/versions.h>
#include <backflow/runtime/threads.h>

namespace backflow::train {
namespace {

std::vector<int> core_list() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) {
        cores.push_back(i);
      }
    }
  }
  return cores;
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

/// What each rank tells the others.
struct RankPlace {
  std::string host;
  std::string cores;
  std::size_t num_cores = 1;
  int threads = 0;

  std::string text() const { return concat(host, ' ', cores, ' ', num_cores, ' ', threads); }
  static RankPlace from(const std::string& text) {
    RankPlace place;
    std::istringstream(text) >> place.host >> place.cores >> place.num_cores >> place.threads;
    return place;
  }
};

std::vector<RankPlace> gather(distributed::Communicator& world, const RankPlace& own) {
  std::vector<RankPlace> all;
  for (const std::string& text : world.all_gather(own.text())) {
    all.push_back(RankPlace::from(text));
  }
  return all;
}

/// Ranks of the same node that may use exactly the same cores.
std::size_t sharing(const std::vector<RankPlace>& all, const RankPlace& own) {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const RankPlace& other) {
    return other.host == own.host && other.cores == own.cores;
  }));
}

void describe_nodes(const std::vector<RankPlace>& all, Platform& platform) {
  for (auto first = all.begin(); first != all.end(); ++first) {
    const auto same_host = [&](const RankPlace& p) { return p.host == first->host; };
    if (std::find_if(all.begin(), first, same_host) != first) {
      continue;
    }
    const auto ranks = std::count_if(all.begin(), all.end(), same_host);
    platform.summary +=
        concat(platform.summary.empty() ? "" : "\n", first->host, ": ", ranks, ranks == 1 ? " rank" : " ranks", " of ",
               first->threads, first->threads == 1 ? " thread" : " threads", ", cores ", first->cores, ", oneDNN ",
               kernels::onednn_isa(), ", Highway ", kernels::instruction_set());
  }
  for (const RankPlace& place : all) {
    const std::size_t wanted = sharing(all, place) * static_cast<std::size_t>(place.threads);
    if (wanted > place.num_cores && platform.warning.empty()) {
      platform.warning = concat(place.host, ": ", wanted, " threads share cores ", place.cores,
                                ": need fewer ranks or --threads, or mpirun with --bind-to none");
    }
  }
}

}  // namespace

std::string allowed_cores() {
  const std::vector<int> cores = core_list();
  std::string text;
  for (std::size_t i = 0; i < cores.size();) {
    std::size_t last = i;
    while (last + 1 < cores.size() && cores[last + 1] == cores[last] + 1) {
      ++last;
    }
    text += concat(text.empty() ? "" : ",", cores[i]);
    if (last > i) {
      text += concat('-', cores[last]);
    }
    i = last + 1;
  }
  return text.empty() ? "unknown" : text;
}

std::map<std::string, std::string> versions() {
  std::map<std::string, std::string> all = io::library_versions();
  all["backflow"] = BACKFLOW_VERSION;
  all["onednn"] = kernels::onednn_version();
  all["onetbb"] = threading_version();
  all["mpi"] = distributed::mpi_version();
  return all;
}

Platform set_up_platform(distributed::Communicator& world, int threads) {
  RankPlace own{
      .host = host_name(), .cores = allowed_cores(), .num_cores = std::max<std::size_t>(core_list().size(), 1)};
  const std::size_t part = own.num_cores / sharing(gather(world, own), own);
  own.threads = threads > 0 ? threads : static_cast<int>(std::max<std::size_t>(part, 1));
  set_num_threads(own.threads);
  Platform platform{.host = own.host, .cores = own.cores, .threads = own.threads, .summary = "", .warning = ""};
  describe_nodes(gather(world, own), platform);
  return platform;
}

std::string environment_json(const distributed::Communicator& world, const Platform& platform) {
  io::MetricRecord fields = {{"host", platform.host},
                             {"ranks", std::int64_t{world.size()}},
                             {"threads", std::int64_t{platform.threads}},
                             {"cores", platform.cores},
                             {"onednn_isa", kernels::onednn_isa()},
                             {"highway_target", std::string(kernels::instruction_set())}};
  for (const auto& [library, version] : versions()) {
    fields.emplace_back(library, version);
  }
  return io::to_json(fields) + "\n";
}

}  // namespace backflow::train
