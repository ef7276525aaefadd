#include <backflow/train/run/platform.h>

#include <algorithm>
#include <cstdlib>

#include <backflow/distributed/version.h>
#include <backflow/io/metrics.h>
#include <backflow/io/versions.h>
#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/versions.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/train/run/rank_list.h>

namespace backflow::train {
namespace {

std::vector<RankPlace> gather(distributed::Communicator& world, const RankPlace& own) {
  std::vector<RankPlace> all;
  for (const std::string& text : world.all_gather(own.text())) {
    all.push_back(RankPlace::from(text));
  }
  return all;
}

}  // namespace

std::map<std::string, std::string> versions() {
  std::map<std::string, std::string> all = io::library_versions();
  all["backflow"] = BACKFLOW_VERSION;
  all["onednn"] = kernels::onednn_version();
  all["onetbb"] = threading_version();
  all["mpi"] = distributed::mpi_version();
  return all;
}

Platform set_up_platform(distributed::Communicator& world, int threads) {
  Platform platform{.place = own_place(), .nodes = {}, .warnings = {}};
  RankPlace& own = platform.place;
  own.instruction_sets = to_text("oneDNN ", kernels::onednn_isa(), ", Highway ", kernels::instruction_set());
  const int part = static_cast<int>(own.cores.size()) / ranks_sharing(gather(world, own), own);
  own.threads = threads > 0 ? threads : std::max(part, 1);
  set_num_threads(own.threads);
  const std::vector<RankPlace> all = gather(world, own);
  platform.nodes = describe_places(all);
  platform.warnings = placement_warnings(all);
  if (std::string note = openmp_note(std::getenv("OMP_NUM_THREADS"), threads, own.threads); !note.empty()) {
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
  io::MetricRecord fields = {{"host", platform.place.host},
                             {"ranks", std::int64_t{world.size()}},
                             {"threads", std::int64_t{platform.place.threads}},
                             {"cores", number_list(platform.place.cores)},
                             {"onednn_isa", kernels::onednn_isa()},
                             {"highway_target", std::string(kernels::instruction_set())}};
  for (const auto& [library, version] : versions()) {
    fields.emplace_back(library, version);
  }
  return io::to_json(fields) + "\n";
}

}  // namespace backflow::train
