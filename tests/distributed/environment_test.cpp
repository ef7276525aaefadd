#include <backflow/distributed/environment.h>

#include <map>
#include <string>

#include <backflow/tests/catch2.h>

using backflow::distributed::launch_environment;
using backflow::distributed::LaunchEnvironment;

namespace {

LaunchEnvironment in(const std::map<std::string, std::string>& variables) {
  return launch_environment([&](const char* name) {
    const auto at = variables.find(name);
    return at == variables.end() ? nullptr : at->second.c_str();
  });
}

}  // namespace

TEST_CASE("environment: a process of no launcher is alone", "[environment]") {
  CHECK_FALSE(in({}).launched);
  CHECK(in({}).rank == 0);
  CHECK(in({}).size == 1);
}

TEST_CASE("environment: mpirun of Open MPI", "[environment]") {
  const auto ours = in({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}, {"PMIX_RANK", "2"}});
  CHECK(ours.launched);
  CHECK(ours.rank == 2);
  CHECK(ours.size == 4);
  CHECK(in({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}}).launched);
}

TEST_CASE("environment: mpirun inside a Slurm job wins over the step of its daemons", "[environment]") {
  const auto ours = in({{"OMPI_COMM_WORLD_RANK", "5"},
                        {"OMPI_COMM_WORLD_SIZE", "8"},
                        {"SLURM_STEP_ID", "0"},
                        {"SLURM_PROCID", "1"},
                        {"SLURM_STEP_NUM_TASKS", "2"}});
  CHECK(ours.rank == 5);
  CHECK(ours.size == 8);
}

TEST_CASE("environment: PMI and PMIx", "[environment]") {
  const auto pmi = in({{"PMI_RANK", "1"}, {"PMI_SIZE", "3"}});
  CHECK(pmi.launched);
  CHECK(pmi.rank == 1);
  CHECK(pmi.size == 3);
  const auto pmix = in({{"PMIX_RANK", "1"}});
  CHECK(pmix.launched);
  CHECK(pmix.rank == 1);
  CHECK(pmix.size == 0);
}

TEST_CASE("environment: Slurm's srun, but not its batch script or interactive shell", "[environment]") {
  const auto srun = in({{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "3"}, {"SLURM_STEP_NUM_TASKS", "4"}});
  CHECK(srun.launched);
  CHECK(srun.rank == 3);
  CHECK(srun.size == 4);
  CHECK_FALSE(in({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}).launched);
  CHECK_FALSE(in({{"SLURM_STEP_ID", "4294967290"}, {"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}}).launched);
  CHECK_FALSE(in({{"SLURM_STEP_ID", "1"}, {"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}).launched);
}

TEST_CASE("environment: what is no number is not believed", "[environment]") {
  CHECK_FALSE(in({{"OMPI_COMM_WORLD_RANK", "one"}, {"OMPI_COMM_WORLD_SIZE", "2"}}).launched);
  CHECK_FALSE(in({{"OMPI_COMM_WORLD_RANK", ""}, {"OMPI_COMM_WORLD_SIZE", "2"}}).launched);
  CHECK_FALSE(in({{"PMI_RANK", "-1"}, {"PMI_SIZE", "2"}}).launched);
}
