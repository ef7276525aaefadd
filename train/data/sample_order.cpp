#include <backflow/train/data/sample_order.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include <backflow/exchange/npy.h>
#include <backflow/io/datasets/csv.h>
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

void check_class_weights(const BatchMaker& data, const DataOptions& options) {
  if (data.info().target != TargetKind::Class) {
    options.section.fail("sampling", to_text("'sampling' in [data] is \"", options.sampling, "\": the targets are ",
                                             name_of(data.info().target), ": need classes"));
  }
  const std::size_t given = options.class_weights.size();
  if (options.sampling == "classes" && static_cast<std::int64_t>(given) != data.info().classes) {
    options.section.fail("class_weights", to_text("'class_weights' in [data] has ", given, " numbers: need ",
                                                  data.info().classes, ", one for each class"));
  }
}

std::vector<double> weights_by_class(const BatchMaker& data, const DataOptions& options) {
  check_class_weights(data, options);
  const std::vector<std::int64_t> classes = classes_of(data);
  std::vector<double> of_class = options.class_weights;
  if (options.sampling == "balanced") {
    of_class.assign(static_cast<std::size_t>(data.info().classes), 0);
    for (const std::int64_t label : classes) {
      of_class[static_cast<std::size_t>(label)] += 1;
    }
    std::transform(of_class.begin(), of_class.end(), of_class.begin(), [](double n) { return n > 0 ? 1 / n : 0; });
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

/// By which samples are drawn.
std::vector<double> weights_of(const BatchMaker& data, const DataOptions& options) {
  const bool of_file = options.sampling == "file";
  std::vector<double> weights = of_file ? weights_in_file(data, options) : weights_by_class(data, options);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (!(sum > 0 && std::isfinite(sum))) {
    const char* const key = of_file ? "weights_file" : "class_weights";
    options.section.fail(key, to_text("'", key, "' in [data]: the weights of all training samples add up to ", sum,
                                      ": need a finite sum above 0"));
  }
  return weights;
}

/// The numbers 0 to n-1, blocks of them in a random order.
std::vector<std::int64_t> in_shuffled_blocks(std::int64_t n, std::int64_t block, std::uint64_t seed,
                                             std::int64_t epoch) {
  std::vector<std::int64_t> order;
  order.reserve(static_cast<std::size_t>(n));
  for (const std::int64_t number : distributed::shuffled((n + block - 1) / block, seed, epoch)) {
    for (std::int64_t i = number * block; i < std::min(n, (number + 1) * block); ++i) {
      order.push_back(i);
    }
  }
  return order;
}

/// Puts runs of `window` numbers, the first one of `first`, into a random order each.
void mix_in_windows(std::vector<std::int64_t>& numbers, std::int64_t first, std::int64_t window, PhiloxStream random) {
  const auto size = static_cast<std::int64_t>(numbers.size());
  for (std::int64_t begin = 0, end = first; begin < size; begin = end, end += window) {
    const std::span<std::int64_t> part(numbers.begin() + begin, numbers.begin() + std::min(end, size));
    for (std::size_t i = part.size(); i > 1; --i) {
      std::swap(part[i - 1], part[random.below(i)]);
    }
  }
}

}  // namespace

std::vector<std::int64_t> shuffled_in_blocks(std::int64_t n, const BlockOrder& o, std::uint64_t seed,
                                             std::int64_t epoch) {
  const std::vector<std::int64_t> sequence = in_shuffled_blocks(n, o.block, seed, epoch);
  const std::int64_t lanes = o.lanes();
  const std::int64_t window = std::max<std::int64_t>(1, o.window_blocks / lanes) * o.block;
  std::vector<std::vector<std::int64_t>> lane(static_cast<std::size_t>(lanes));
  for (std::int64_t v = 0; v < lanes; ++v) {
    auto& own = lane[static_cast<std::size_t>(v)];
    own.assign(sequence.begin() + v * n / lanes, sequence.begin() + (v + 1) * n / lanes);
    // The first windows differ in length, so that lanes come to new blocks one after the other.
    mix_in_windows(
        own, window * (v + 1) / lanes, window,
        PhiloxStream(seed, kMixing | static_cast<std::uint64_t>(v) << 32 | static_cast<std::uint64_t>(epoch)));
  }
  std::vector<std::int64_t> order;
  order.reserve(static_cast<std::size_t>(n));
  const std::int64_t share = o.batch_size / lanes;
  const std::int64_t full_batches = n / o.batch_size;
  for (std::int64_t batch = 0; batch < full_batches; ++batch) {
    for (const auto& own : lane) {
      order.insert(order.end(), own.begin() + batch * share, own.begin() + (batch + 1) * share);
    }
  }
  for (const auto& own : lane) {
    order.insert(order.end(), own.begin() + full_batches * share, own.end());
  }
  return order;
}

std::int64_t BlockOrder::lanes() const {
  constexpr std::int64_t kMost = 64;
  std::int64_t lanes = 1;
  while (2 * lanes <= std::min(kMost, window_blocks) && batch_size % (2 * lanes) == 0) {
    lanes *= 2;
  }
  return lanes;
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

void check_sampling(const BatchMaker& data, const DataOptions& options) {
  if (options.sampling != "uniform") {
    weights_of(data, options);
  }
}

distributed::SamplerOptions sampler_options(const BatchMaker& data, const DataOptions& options, std::int64_t batch_size,
                                            std::uint64_t seed) {
  distributed::SamplerOptions result{
      .dataset_size = data.size(), .batch_size = batch_size, .seed = seed, .shuffle = options.shuffle};
  const std::int64_t block = data.block();
  if (options.sampling != "uniform") {
    auto weights = std::make_shared<const std::vector<double>>(weights_of(data, options));
    result.order = [weights, seed](std::int64_t epoch) { return drawn_by_weight(*weights, seed, epoch); };
  } else if (options.shuffle && block > 1) {
    const BlockOrder order{.block = block,
                           .window_blocks = std::max<std::int64_t>(1, data.source().kept_blocks() / 2),
                           .batch_size = batch_size};
    result.order = [n = data.size(), order, seed](std::int64_t epoch) {
      return shuffled_in_blocks(n, order, seed, epoch);
    };
  }
  return result;
}

}  // namespace backflow::train
