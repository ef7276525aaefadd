#include <backflow/distributed/environment.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace backflow::distributed {
namespace {

using Lookup = std::function<const char*(const char*)>;

std::optional<std::int64_t> number(const Lookup& get, const char* name) {
  const char* text = get(name);
  if (text == nullptr) {
    return std::nullopt;
  }
  const std::string_view all(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (error != std::errc() || end != all.data() + all.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

LaunchEnvironment launched(std::int64_t rank, std::int64_t size, bool by_mpirun = false) {
  return {true, static_cast<int>(rank), static_cast<int>(size), by_mpirun};
}

}  // namespace

LaunchEnvironment launch_environment(const Lookup& given) {
  const Lookup get = given ? given : Lookup([](const char* name) -> const char* { return std::getenv(name); });

  // mpirun inside a Slurm job passes on the variables of the step that started its daemons, so it is asked first.
  if (const auto rank = number(get, "OMPI_COMM_WORLD_RANK"), size = number(get, "OMPI_COMM_WORLD_SIZE"); rank && size) {
    return launched(*rank, *size, true);
  }
  if (const auto rank = number(get, "PMI_RANK"), size = number(get, "PMI_SIZE"); rank && size) {
    return launched(*rank, *size);
  }

  // Slurm numbers the steps that it makes by itself (batch script, interactive shell, extern) from the top.
  constexpr std::int64_t kFirstSpecialStep = 0xfffffff0;
  const auto step = number(get, "SLURM_STEP_ID");
  const auto rank = number(get, "SLURM_PROCID");
  const auto size = number(get, "SLURM_STEP_NUM_TASKS");
  if (step && *step < kFirstSpecialStep && rank && size) {
    return *size > 1 ? launched(*rank, *size) : LaunchEnvironment{};
  }

  if (const auto pmix_rank = number(get, "PMIX_RANK")) {
    return launched(*pmix_rank, 0);
  }
  return {};
}

int environment_rank() { return launch_environment().rank; }

}  // namespace backflow::distributed
