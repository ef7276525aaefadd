#include <backflow/train/data/sample_order.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include <backflow/io/datasets/csv.h>
#include <backflow/io/exchange/npy.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/base/philox.h>

namespace backflow::train {
namespace {

/// Keeps the streams apart from those of sampler.cpp and augmentation.cpp.
constexpr std::uint64_t kDrawing = std::uint64_t{0x6d1a} << 48;
constexpr std::uint64_t kMixing = std::uint64_t{0x6b1c} << 48;

/// The classes of all samples.
std::vector<std::int64_t> classes_of(const BatchMaker& data) {
  constexpr std::int64_t kPiece = 4096;
  std::vector<std::int64_t> classes;
  for (std::int64_t first = 0; first < data.size(); first += kPiece) {
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = first; i < std::min(first + kPiece, data.size()); ++i) {
      numbers.push_back(data.source_index(i));
    }
    const Tensor targets = data.source().read_targets(numbers);
    const auto* label = targets.const_data_ptr<std::int64_t>();
    classes.insert(classes.end(), label, label + targets.numel());
  }
  return classes;
}

std::vector<double> weights_by_class(const BatchMaker& data, const DataOptions& options) {
  const auto count = static_cast<std::size_t>(data.info().classes);
  if (data.info().target != TargetKind::Class) {
    options.section.fail("sampling", to_text("'sampling' in [data] is \"", options.sampling, "\": the targets are ",
                                             name_of(data.info().target), ": need classes"));
  }
  const std::vector<std::int64_t> classes = classes_of(data);
  std::vector<double> of_class = options.class_weights;
  if (options.sampling == "balanced") {
    of_class.assign(count, 0);
    for (const std::int64_t label : classes) {
      of_class[static_cast<std::size_t>(label)] += 1;
    }
    std::transform(of_class.begin(), of_class.end(), of_class.begin(), [](double n) { return n > 0 ? 1 / n : 0; });
  } else if (of_class.size() != count) {
    options.section.fail("class_weights", to_text("'class_weights' in [data] has ", of_class.size(), " numbers: need ",
                                                  count, ", one for each class"));
  }
  std::vector<double> weights;
  for (const std::int64_t label : classes) {
    weights.push_back(of_class[static_cast<std::size_t>(label)]);
  }
  return weights;
}

/// One for each sample of the source, before anything is split off.
std::vector<double> weights_in_file(const BatchMaker& data, const DataOptions& options) {
  const std::string path = options.path(options.weights_file);
  std::vector<double> all;
  if (path.ends_with(".npy")) {
    const Tensor x = to(io::read_npy(path), kFloat64);
    all.assign(x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel());
  } else {
    io::CsvTable table = io::read_csv(path, {.header = false, .most_bytes = options.memory_bytes});
    check(table.columns.size() == 1 && table.columns[0].is_numeric && table.columns[0].missing.empty(), path,
          ": need one column of numbers, without a header");
    all = std::move(table.columns[0].numbers);
  }
  check(static_cast<std::int64_t>(all.size()) == data.source().size(), path, ": ", all.size(), " weights for ",
        data.source().size(), " samples: need one for each");
  std::vector<double> weights;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const double weight = all[static_cast<std::size_t>(data.source_index(i))];
    check(std::isfinite(weight) && weight >= 0, path, ": record ", data.source_index(i), " has the weight ", weight,
          ": need finite numbers of at least 0");
    weights.push_back(weight);
  }
  return weights;
}

}  // namespace

std::vector<std::int64_t> shuffled_in_blocks(std::int64_t n, std::int64_t block, std::int64_t blocks,
                                             std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order;
  order.reserve(static_cast<std::size_t>(n));
  std::int64_t in_window = 0;
  auto window = static_cast<std::ptrdiff_t>(0);
  PhiloxStream random(seed, kMixing | static_cast<std::uint64_t>(epoch));
  const auto mix = [&] {
    const std::span<std::int64_t> part(order.begin() + window, order.end());
    for (std::size_t i = part.size(); i > 1; --i) {
      std::swap(part[i - 1], part[random.below(i)]);
    }
    window = static_cast<std::ptrdiff_t>(order.size());
    in_window = 0;
  };
  for (const std::int64_t number : distributed::shuffled((n + block - 1) / block, seed, epoch)) {
    for (std::int64_t i = number * block; i < std::min(n, (number + 1) * block); ++i) {
      order.push_back(i);
    }
    if (++in_window == blocks) {
      mix();
    }
  }
  mix();
  return order;
}

std::vector<std::int64_t> drawn_by_weight(const std::vector<double>& weights, std::uint64_t seed, std::int64_t epoch) {
  std::vector<double> sums(weights.size());
  std::partial_sum(weights.begin(), weights.end(), sums.begin());
  std::vector<std::int64_t> drawn(weights.size());
  PhiloxStream random(seed, kDrawing | static_cast<std::uint64_t>(epoch));
  for (std::int64_t& number : drawn) {
    // The first sum above the point; those with weight 0 have no room.
    const auto at = std::upper_bound(sums.begin(), sums.end(), random.uniform() * sums.back());
    number = std::min<std::int64_t>(at - sums.begin(), static_cast<std::int64_t>(sums.size()) - 1);
  }
  return drawn;
}

distributed::SamplerOptions sampler_options(const BatchMaker& data, const DataOptions& options, std::uint64_t seed) {
  distributed::SamplerOptions result{.dataset_size = data.size(), .seed = seed, .shuffle = options.shuffle};
  const std::int64_t block = data.block();
  if (options.sampling != "uniform") {
    auto weights = std::make_shared<const std::vector<double>>(
        options.sampling == "file" ? weights_in_file(data, options) : weights_by_class(data, options));
    const double sum = std::accumulate(weights->begin(), weights->end(), 0.0);
    check(sum > 0 && std::isfinite(sum), "data: the weights of all samples add up to ", sum,
          ": need a finite sum above 0");
    result.order = [weights, seed](std::int64_t epoch) { return drawn_by_weight(*weights, seed, epoch); };
  } else if (options.shuffle && block > 1) {
    const std::int64_t blocks = std::max<std::int64_t>(1, data.source().kept_blocks() / 2);
    result.order = [n = data.size(), block, blocks, seed](std::int64_t epoch) {
      return shuffled_in_blocks(n, block, blocks, seed, epoch);
    };
  }
  return result;
}

}  // namespace backflow::train
