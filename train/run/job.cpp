#include <backflow/train/run/job.h>

#include <csignal>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include <backflow/distributed/environment.h>
#include <backflow/io/config.h>
#include <backflow/io/dump.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

/// For a rank that has failed as another: the end of that one ends all.
constexpr std::chrono::seconds kOtherSpeaks{10};
constexpr std::chrono::seconds kFirstNodeSpeaks{1};

/// Ends this rank, with the others, as soon as all have said what they had to say. mpirun prints paragraphs about a
/// rank that returns another code than 0, and none about one that ends the job.
int end_job(distributed::Communicator& world, int code) {
  if (code != kDone) {
    world.barrier();
    if (distributed::launch_environment().by_mpirun) {
      world.abort(code);
    }
  }
  return code;
}

/// A line for each mistake: a configuration may have several. In one piece, since other ranks write to the same place.
void print_error(const std::string& rank, const std::string& text) {
  std::string said;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    said += "backflow: error: " + rank + line + '\n';
  }
  std::cerr << said << std::flush;
}

}  // namespace

int run_job(const std::function<int(const World&)>& body) {
  io::start_hdf5();  // before MPI: later, its own start would call MPI from this thread
  const World world = distributed::Communicator::world();
  try {
    return end_job(*world, body(world));
  } catch (const SharedFailure& failure) {
    if (world->rank() == 0) {
      print_error("", failure.what());
    }
    return end_job(*world, failure.exit_code());
  } catch (const distributed::RanksDisagree& disagreement) {
    // All ranks have it, and the end of one ends the others: rank 0 alone speaks, unless it does not come to that.
    constexpr std::chrono::seconds kRank0Speaks{5};
    if (world->rank() > 0) {
      std::this_thread::sleep_for(kRank0Speaks);
    }
    print_error("", disagreement.what());
    world->abort(kFailed);
    return kFailed;
  } catch (const std::exception& error) {
    end_failed_job(*world, error.what());
    return kFailed;
  }
}

void end_failed_job(distributed::Communicator& world, const std::string& error) {
  // One rank of a node speaks. Those of the first node come first.
  const bool is_first = world.claim_failure();
  const bool is_of_first_node = world.rank() == world.local_rank();
  std::this_thread::sleep_for(!is_first ? kOtherSpeaks : is_of_first_node ? std::chrono::seconds(0) : kFirstNodeSpeaks);
  print_error(world.size() > 1 ? to_text("rank ", world.rank(), ": ") : "", error);
  world.abort(kFailed);
}

int fail_usage(const std::string& error) {
  const distributed::LaunchEnvironment launch = distributed::launch_environment();
  if (launch.by_mpirun) {
    try {
      return run_job([&](const World& world) -> int {
        run_on_all_ranks(*world, [&] { throw io::ConfigError(error); });
        return kWrongUsage;
      });
    } catch (const std::exception&) {  // of an MPI that does not start, which is not what there is to say here
    }
  }
  // When rank 0 ends, a launcher ends the others; a rank that ended first would make it end rank 0 before that has said
  // anything. A rank that is still there after a while found what rank 0 did not.
  if (launch.rank > 0) {
    std::this_thread::sleep_for(std::chrono::seconds(3));
  }
  print_error(launch.rank > 0 ? to_text("rank ", launch.rank, ": ") : "", error);
  return kWrongUsage;
}

}  // namespace backflow::train
