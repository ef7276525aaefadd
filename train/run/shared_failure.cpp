#include <backflow/train/run/shared_failure.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/run/rank_list.h>

namespace backflow::train {
namespace {

/// What a rank tells of itself: how it ended, and why. Empty when all went well.
std::string attempt(const std::function<void()>& body) {
  try {
    body();
    return "";
  } catch (const SharedFailure& failure) {
    return to_text(failure.exit_code(), ' ', failure.what());
  } catch (const io::ConfigError& error) {
    return to_text(int{kWrongUsage}, ' ', error.what());
  } catch (const std::exception& error) {
    return to_text(int{kFailed}, ' ', error.what());
  }
}

}  // namespace

void run_on_all_ranks(distributed::Communicator& world, const std::function<void()>& body) {
  const std::vector<std::string> ends = world.all_gather(attempt(body));
  const auto first = std::find_if(ends.begin(), ends.end(), [](const std::string& end) { return !end.empty(); });
  if (first == ends.end()) {
    return;
  }
  std::vector<int> alike;
  for (std::size_t rank = 0; rank < ends.size(); ++rank) {
    if (ends[rank] == *first) {
      alike.push_back(static_cast<int>(rank));
    }
  }
  const std::string text = first->substr(first->find(' ') + 1);
  throw SharedFailure(alike.size() == ends.size() ? text : to_text(rank_list(alike), ": ", text), std::stoi(*first));
}

void run_on_rank_0(distributed::Communicator& world, const std::function<void()>& body) {
  const std::string end = world.all_gather(world.rank() == 0 ? attempt(body) : "").front();
  if (!end.empty()) {
    throw SharedFailure(end.substr(end.find(' ') + 1), std::stoi(end));
  }
}

}  // namespace backflow::train
