#include <backflow/train/run/platform.h>

#include <cstddef>
#include <cstdlib>
#include <utility>

#include <backflow/distributed/version.h>
#include <backflow/io/metrics.h>
#include <backflow/io/versions.h>
#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/versions.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/train/run/rank_list.h>

namespace backflow::train {
std::map<std::string, std::string> versions() {
  std::map<std::string, std::string> all = io::library_versions();
  all["backflow"] = BACKFLOW_VERSION;
  all["onednn"] = kernels::onednn_version();
  all["onetbb"] = threading_version();
  all["mpi"] = distributed::mpi_version();
  return all;
}

Platform set_up_platform(distributed::Communicator& world, const RankRequest& request) {
  const std::vector<RankPlace> all = distributed::place_this_rank(world, request);
  Platform platform{.place = all[static_cast<std::size_t>(world.rank())],
                    .nodes = describe_places(all),
                    .warnings = placement_warnings(all)};
  const int threads = platform.place.placement.threads;
  if (std::string note = openmp_note(std::getenv("OMP_NUM_THREADS"), request.threads, threads); !note.empty()) {
    platform.warnings.push_back(std::move(note));
  }
  return platform;
}

std::string openmp_note(const char* value, int given, int chosen) {
  if (value == nullptr || given > 0 || value == std::to_string(chosen)) {
    return "";
  }
  return to_text("OMP_NUM_THREADS=", value, " has no effect, ", chosen,
                 chosen == 1 ? " thread computes" : " threads compute", ": need --threads to have another number");
}

std::string environment_json(const distributed::Communicator& world, const Platform& platform) {
  const Placement& p = platform.place.placement;
  io::MetricRecord fields = {{"host", platform.place.host},
                             {"ranks", std::int64_t{world.size()}},
                             {"threads", std::int64_t{p.threads}},
                             {"cores", core_list(p.cores)},
                             {"numa_nodes", number_list(p.numa_nodes)},
                             {"threads_bound", !p.thread_cpus.empty()},
                             {"communication_core", std::int64_t{p.communication_core}},
                             {"memory_interleaved", p.is_interleaved},
                             {"onednn_isa", kernels::onednn_isa()},
                             {"highway_target", std::string(kernels::instruction_set())}};
  for (const auto& [library, version] : versions()) {
    fields.emplace_back(library, version);
  }
  return io::to_json(fields) + "\n";
}

}  // namespace backflow::train
