#include <backflow/train/sweep/sweep_options.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace backflow::train {

SweepOptions read_sweep(const io::Section& s) {
  constexpr std::int64_t kMostRuns = 100'000;
  SweepOptions options;
  options.set = s.strings({"set", "keys and their values, as `[\"optimizer.lr=0.1,0.01\", \"seed=1..3\"]`"},
                          std::vector<std::string>{});
  options.random = s.integer({"random", "number of runs that are drawn at random; 0 for all combinations"},
                             {.at_least = 0, .at_most = kMostRuns}, options.random);
  options.seed = s.integer({"seed", "of the random draw"}, {.at_least = 0}, options.seed);
  options.metric = s.string({"metric", "metric by which runs are compared; empty for accuracy, else the loss"}, "");
  const std::string goal = s.choice({"goal", "which values of the metric are better; `auto` goes by its name"},
                                    {"auto", "min", "max"}, "auto");
  options.goal = goal == "min" ? Goal::Lowest : goal == "max" ? Goal::Highest : Goal::Auto;
  options.halving = s.boolean({"halving", "stop the worst runs early, by successive halving"}, options.halving);
  options.eta = s.integer({"eta", "with halving: of so many runs the best one goes on"},
                          {.at_least = 2, .at_most = 100}, options.eta);
  options.min_epochs = s.integer({"min_epochs", "with halving: epochs before a run is judged first"},
                                 {.at_least = 1, .at_most = 1'000'000}, options.min_epochs);
  options.ranks = s.integer({"ranks", "ranks of each run, on this node; they share the cores of the run"},
                            {.at_least = 1, .at_most = 1024}, options.ranks);
  return options;
}

bool lower_is_better(const SweepOptions& options, const std::string& metric) {
  if (options.goal != Goal::Auto) {
    return options.goal == Goal::Lowest;
  }
  constexpr std::array<std::string_view, 7> kLow = {"loss", "error", "mae", "mse", "l1", "huber", "perplexity"};
  return std::any_of(kLow.begin(), kLow.end(), [&](std::string_view end) { return metric.ends_with(end); });
}

}  // namespace backflow::train
