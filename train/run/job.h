#pragma once

#include <functional>
#include <memory>
#include <string>

#include <backflow/distributed/communicator.h>

namespace backflow::train {

using World = std::shared_ptr<distributed::Communicator>;

/// Runs `body` with the communicator of the job, and returns its exit code (see exit_code.h). A failure that all ranks
/// know of is told by rank 0. Any other is told by the rank that has it, which ends the whole job: the others may be
/// waiting for it. Under mpirun a code other than 0 ends all ranks here, when all have come this far: mpirun has
/// nothing to add then.
int run_job(const std::function<int(const World&)>& body);

/// For a failure that one rank has while others may be waiting for it: one rank of a node tells, and ends the whole
/// job.
void end_failed_job(distributed::Communicator& world, const std::string& error);

/// Tells what is wrong with a command line or a configuration, before there is a communicator, and returns the exit
/// code. In a job of several ranks these meet first, so that one of them says it, or which ranks it is about.
int fail_usage(const std::string& error);

}  // namespace backflow::train
