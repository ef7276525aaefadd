#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/error_of.h>
#include <backflow/train/data/augmentation.h>
#include <backflow/train/data/load_data.h>
#include <backflow/train/data/normalization.h>
#include <backflow/train/data/sample_order.h>

using namespace backflow;
using train::BatchMaker;
using train::LoadedData;

namespace {

train::DataOptions options(const std::string& keys) {
  const io::Config config = io::Config::parse("[data]\nformat = 'synthetic'\n" + keys, "test.toml");
  return train::read_data_options(config.section("data"));
}

LoadedData load(const std::string& keys, std::uint64_t seed = 1) {
  return train::load_data(options(keys), kFloat64, seed, train::DataPurpose::Training);
}

std::vector<double> values(const Tensor& x) {
  return {x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel()};
}

std::vector<std::int64_t> up_to(std::int64_t n) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

const std::string kDigits = "generator = 'digits'\nsamples = 60\ntest_samples = 10\nsize = 12\n";

}  // namespace

TEST_CASE("data: synthetic data depend on the seed alone, and train and test data differ") {
  for (const std::string& generator : {"regression", "spirals", "digits", "copy"}) {
    const std::string keys = "generator = '" + generator + "'\nsamples = 20\ntest_samples = 20\n";
    const auto first = [&](const BatchMaker& data) {
      const train::Batch batch = data.make(up_to(20));
      return generator == "copy" ? std::vector<double>(batch.x.const_data_ptr<std::int64_t>(),
                                                       batch.x.const_data_ptr<std::int64_t>() + batch.x.numel())
                                 : values(batch.x);
    };
    const LoadedData a = load(keys);
    CHECK(first(*a.train) == first(*load(keys).train));
    CHECK(first(*a.train) != first(*load(keys, 2).train));
    CHECK(first(*a.train) != first(*a.test));
  }
}

TEST_CASE("data: a copy task asks for the first half again") {
  const LoadedData data = load("generator = 'copy'\nlength = 3\nclasses = 5\nsamples = 4\n");
  CHECK(data.train->info().classes == 6);
  const train::Batch batch = data.train->make({2});
  const auto* x = batch.x.const_data_ptr<std::int64_t>();
  const auto* y = batch.target.const_data_ptr<std::int64_t>();
  CHECK(x[3] == 0);
  CHECK(std::vector<std::int64_t>(y, y + 3) == std::vector<std::int64_t>{0, 0, 0});
  CHECK(std::equal(x, x + 3, y + 3));
  CHECK(std::equal(x + 4, x + 6, x));
}

TEST_CASE("data: the validation part is split off by the seed, and both parts make up the whole") {
  const LoadedData data = load("generator = 'regression'\nsamples = 50\nvalidation = 0.2\n");
  REQUIRE(data.validation);
  CHECK(data.train->size() == 40);
  CHECK(data.validation->size() == 10);
  std::set<std::int64_t> all;
  for (std::int64_t i = 0; i < 40; ++i) {
    all.insert(data.train->source_index(i));
  }
  for (std::int64_t i = 0; i < 10; ++i) {
    all.insert(data.validation->source_index(i));
  }
  CHECK(all.size() == 50);
  const LoadedData other = load("generator = 'regression'\nsamples = 50\nvalidation = 0.2\n", 2);
  CHECK(values(other.validation->make(up_to(10)).x) != values(data.validation->make(up_to(10)).x));
  CHECK_THAT(data.train->description(), StartsWith("40 of 50 samples of [8]"));
}

TEST_CASE("data: normalization by the training data gives mean 0 and standard deviation 1, and can be given again") {
  const LoadedData data = load(kDigits + "normalize = 'auto'\nvalidation = 0.5\n");
  const std::vector<double> x = values(data.train->make(up_to(30)).x);
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
  double squares = 0;
  for (const double value : x) {
    squares += (value - mean) * (value - mean);
  }
  CHECK(std::abs(mean) < 1e-12);
  CHECK(std::abs(squares / static_cast<double>(x.size()) - 1) < 1e-12);
  REQUIRE(data.settled.size() == 3);
  const io::Config settled =
      io::Config::parse("[data]\nformat = 'synthetic'\n" + kDigits + "validation = 0.5\n", "test.toml", data.settled);
  const LoadedData again =
      train::load_data(train::read_data_options(settled.section("data")), kFloat64, 1, train::DataPurpose::Training);
  CHECK(again.settled.empty());
  CHECK(values(again.test->make(up_to(10)).x) == values(data.test->make(up_to(10)).x));
}

TEST_CASE("data: the measured normalization has the same bits on any number of threads") {
  const LoadedData data = load("generator = 'regression'\nsamples = 3000\nfeatures = 5\n");
  const int before = get_num_threads();
  std::vector<train::Normalization> measured;
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    measured.push_back(train::measure_normalization(data.train->source(), up_to(3000)));
  }
  set_num_threads(before);
  CHECK(measured[0].means.size() == 5);
  CHECK((measured[1].means == measured[0].means && measured[2].means == measured[0].means));
  CHECK((measured[1].stds == measured[0].stds && measured[2].stds == measured[0].stds));
}

TEST_CASE("data: what becomes of a sample depends on seed, epoch and number, not on its batch") {
  const std::string augment =
      "[data.augment]\ncrop_padding = 3\nflip = true\nrotate = 20\nnoise = 0.5\ncutout = 4\nmixup = 0.4\n";
  const LoadedData data = load(kDigits + augment);
  const train::Batch all = data.train->make({0, 1, 2, 3, 4, 5}, 7);
  const train::Batch some = data.train->make({4, 1}, 7);
  CHECK(values(some.x.narrow(0, 0, 1)) == values(all.x.narrow(0, 4, 1)));
  CHECK(values(some.target.narrow(0, 1, 1)) == values(all.target.narrow(0, 1, 1)));
  CHECK(values(data.train->make({4, 1}, 8).x) != values(some.x));
  CHECK(values(load(kDigits + augment, 2).train->make({4, 1}, 7).x) != values(some.x));
  CHECK(all.target.sizes() == IntArrayRef({6, 10}));
  for (std::int64_t i = 0; i < 6; ++i) {
    const std::vector<double> share = values(all.target.narrow(0, i, 1));
    CHECK(std::abs(std::accumulate(share.begin(), share.end(), 0.0) - 1) < 1e-12);
  }
  CHECK(values(data.test->make({1}, 3).x) == values(data.test->make({1}, 4).x));
}

TEST_CASE("data: each change of pictures does what it says") {
  const LoadedData plain = load(kDigits);
  const std::vector<std::int64_t> samples = up_to(20);
  const std::vector<double> x = values(plain.train->make(samples).x);
  const auto changed = [&](const std::string& keys) {
    return values(load(kDigits + "[data.augment]\n" + keys).train->make(samples, 1).x);
  };
  const auto pixel = [](const std::vector<double>& of, std::int64_t sample, std::int64_t row, std::int64_t column) {
    return of[static_cast<std::size_t>((sample * 12 + row) * 12 + column)];
  };
  const std::vector<double> flipped = changed("flip = true\n");
  int flips = 0;
  for (std::int64_t i = 0; i < 20; ++i) {
    bool same = true;
    bool mirrored = true;
    for (std::int64_t row = 0; row < 12; ++row) {
      for (std::int64_t column = 0; column < 12; ++column) {
        same = same && pixel(flipped, i, row, column) == pixel(x, i, row, column);
        mirrored = mirrored && pixel(flipped, i, row, column) == pixel(x, i, row, 11 - column);
      }
    }
    CHECK((same || mirrored));
    flips += mirrored ? 1 : 0;
  }
  CHECK((flips > 3 && flips < 17));
  const std::vector<double> cut = changed("cutout = 12\n");
  CHECK(std::all_of(cut.begin(), cut.end(), [](double value) { return value == 0; }));
  const std::vector<double> moved = changed("crop_padding = 2\n");
  bool found = false;
  for (std::int64_t dy = -2; dy <= 2; ++dy) {
    for (std::int64_t dx = -2; dx <= 2; ++dx) {
      bool equal = true;
      for (std::int64_t row = 2; row < 10; ++row) {
        for (std::int64_t column = 2; column < 10; ++column) {
          equal = equal && pixel(moved, 0, row, column) == pixel(x, 0, row + dy, column + dx);
        }
      }
      found = found || equal;
    }
  }
  CHECK(found);
  CHECK(changed("rotate = 30\n") != x);
}

TEST_CASE("data: an autoencoder's target is the sample without the noise") {
  const LoadedData data = load(kDigits + "target = 'input'\n[data.augment]\nnoise = 0.5\nflip = true\n");
  const train::Batch batch = data.train->make({3}, 2);
  CHECK(values(batch.x) != values(batch.target));
  const train::Batch clean = data.test->make({3});
  CHECK(values(clean.x) == values(clean.target));
}

TEST_CASE("data: orders by blocks hold every sample once, and each rank reads few blocks, of its own") {
  const train::BlockOrder by{.block = 10, .window_blocks = 8, .batch_size = 20};
  CHECK(by.lanes() == 4);
  const std::vector<std::int64_t> order = train::shuffled_in_blocks(1003, by, 7, 2);
  CHECK(std::set<std::int64_t>(order.begin(), order.end()).size() == 1003);
  CHECK(order == train::shuffled_in_blocks(1003, by, 7, 2));
  CHECK(order != train::shuffled_in_blocks(1003, by, 7, 3));
  const auto blocks = [&](std::int64_t first_batch, std::int64_t end_batch, std::int64_t rank, std::int64_t ranks) {
    std::set<std::int64_t> seen;
    for (std::int64_t batch = first_batch; batch < end_batch; ++batch) {
      for (std::int64_t i = rank * 20 / ranks; i < (rank + 1) * 20 / ranks; ++i) {
        seen.insert(order[static_cast<std::size_t>(batch * 20 + i)] / 10);
      }
    }
    return seen;
  };
  CHECK(blocks(10, 12, 0, 1).size() <= 16);  // twice the window, which is what the cache holds
  const std::set<std::int64_t> first = blocks(0, 50, 0, 2);
  const std::set<std::int64_t> second = blocks(0, 50, 1, 2);
  CHECK((first.size() <= 53 && second.size() <= 53));  // of 101
  CHECK(train::BlockOrder{.block = 10, .window_blocks = 100, .batch_size = 15}.lanes() == 1);
  CHECK(train::shuffled_in_blocks(7, {.block = 3, .window_blocks = 1, .batch_size = 15}, 7, 2).size() == 7);
}

TEST_CASE("data: samples are drawn in proportion to their weights") {
  std::vector<double> weights(3000, 1);
  std::fill_n(weights.begin(), 1000, 3);
  std::fill_n(weights.begin() + 2000, 1000, 0);
  const std::vector<std::int64_t> drawn = train::drawn_by_weight(weights, 1, 0);
  const auto below = [&](std::int64_t bound) {
    return std::count_if(drawn.begin(), drawn.end(), [&](std::int64_t i) { return i < bound; });
  };
  CHECK(drawn.size() == 3000);
  CHECK(below(2000) == 3000);
  CHECK(std::abs(static_cast<double>(below(1000)) - 2250) < 120);
  const LoadedData data = load("generator = 'spirals'\nsamples = 300\nclasses = 3\n");
  const auto sampler = [&](const std::string& keys) {
    return train::sampler_options(*data.train, options("generator = 'spirals'\nsamples = 300\n" + keys), 10, 1);
  };
  CHECK_FALSE(sampler("").order);
  const std::vector<std::int64_t> classes = sampler("sampling = 'classes'\nclass_weights = [0, 1, 0]\n").order(0);
  CHECK(std::all_of(classes.begin(), classes.end(), [](std::int64_t i) { return i % 3 == 1; }));
  CHECK_THAT(test::error_of([&] { sampler("sampling = 'classes'\nclass_weights = [0, 0, 0]\n"); }),
             ContainsSubstring("need a finite sum above 0"));
}
