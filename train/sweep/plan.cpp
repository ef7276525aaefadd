#include <backflow/train/sweep/plan.h>

#include <algorithm>
#include <cctype>
#include <unordered_set>

#include <backflow/io/config.h>
#include <backflow/train/formatted.h>

namespace backflow::train {
namespace {

constexpr std::size_t kMostRuns = 100'000;

std::uint64_t hash_of(const std::string& text) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const unsigned char c : text) {
    hash = (hash ^ c) * 0x100000001b3U;
  }
  return hash;
}

/// A number from 0 to 1 (not 1) that depends on its arguments alone: SplitMix64.
double draw(std::uint64_t seed, std::uint64_t run, std::uint64_t axis) {
  std::uint64_t x = seed * 0x9e3779b97f4a7c15U + run * 0xbf58476d1ce4e5b9U + axis * 0x94d049bb133111ebU;
  for (int round = 0; round < 2; ++round) {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    x ^= x >> 31U;
  }
  return static_cast<double>(x >> 11U) * 0x1.0p-53;
}

/// "lr" of "optimizer.lr", unless another axis ends alike.
std::string short_key(const std::vector<Axis>& axes, const std::string& key) {
  const auto last = [](const std::string& one) { return one.substr(one.rfind('.') + 1); };
  const auto alike =
      std::count_if(axes.begin(), axes.end(), [&](const Axis& axis) { return last(axis.key) == last(key); });
  return alike > 1 ? key : last(key);
}

/// "lr=0.1_seed=2-1f0a93bc": to read, and digits that tell apart what reads alike.
std::string name_of(const std::vector<Axis>& axes, const std::vector<std::string>& values) {
  constexpr std::size_t kLongest = 80;
  std::string name;
  std::string exact;
  for (const std::size_t i : varying_axes(axes)) {
    name += (name.empty() ? "" : "_") + short_key(axes, axes[i].key) + "=" + values[i];
    exact += axes[i].key + "=" + values[i] + "\n";
  }
  for (char& c : name) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("._=+-").find(c) != std::string_view::npos;
    c = plain ? c : '-';
  }
  name = name.empty() ? "run" : name.substr(0, kLongest);
  return (name.front() == '.' ? "_" : "") + name +
         formatted("-%08llx", static_cast<unsigned long long>(hash_of(exact) >> 32U));
}

PlannedRun run_of(const std::vector<Axis>& axes, std::vector<std::string> values) {
  PlannedRun run{.name = name_of(axes, values), .values = std::move(values), .overrides = {}};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    run.overrides.push_back(axes[i].key + "=" + run.values[i]);
  }
  return run;
}

void check_keys(const std::vector<Axis>& axes) {
  std::unordered_set<std::string> seen;
  for (const Axis& axis : axes) {
    if (!seen.insert(axis.key).second) {
      throw io::ConfigError("--set " + axis.key + ": given twice: need all values in one, as in optimizer.lr=0.1,0.01");
    }
  }
}

}  // namespace

std::vector<std::size_t> varying_axes(const std::vector<Axis>& axes) {
  std::vector<std::size_t> varying;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].values.size() != 1) {
      varying.push_back(i);
    }
  }
  return varying;
}

std::vector<PlannedRun> plan_grid(const std::vector<Axis>& axes) {
  check_keys(axes);
  std::size_t runs = 1;
  for (const Axis& axis : axes) {
    if (axis.is_drawn()) {
      throw io::ConfigError("--set " + axis.key +
                            ": a range to draw from: need --random N, or a number of values, as in " +
                            "log(1e-4..1e-1, 4)");
    }
    runs *= axis.values.size();
    if (runs > kMostRuns) {
      throw io::ConfigError(to_text("sweep: more than ", kMostRuns, " combinations: need fewer values, or --random N"));
    }
  }
  std::vector<PlannedRun> plan;
  for (std::size_t run = 0; run < runs; ++run) {
    std::vector<std::string> values(axes.size());
    std::size_t rest = run;
    for (std::size_t i = axes.size(); i-- > 0;) {
      values[i] = axes[i].values[rest % axes[i].values.size()];
      rest /= axes[i].values.size();
    }
    plan.push_back(run_of(axes, std::move(values)));
  }
  return plan;
}

std::vector<PlannedRun> plan_random(const std::vector<Axis>& axes, std::int64_t count, std::uint64_t seed) {
  check_keys(axes);
  std::vector<PlannedRun> plan;
  std::unordered_set<std::string> seen;
  constexpr std::uint64_t kTries = 100;  // for each run that is wanted
  const auto wanted = static_cast<std::uint64_t>(count);
  for (std::uint64_t run = 0; run < kTries * wanted && plan.size() < wanted; ++run) {
    std::vector<std::string> values;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      values.push_back(axes[i].at(draw(seed, run, i)));
    }
    PlannedRun one = run_of(axes, std::move(values));
    if (seen.insert(one.name).second) {
      plan.push_back(std::move(one));
    }
  }
  return plan;
}

}  // namespace backflow::train
