#include <backflow/train/data/prefetcher.h>

#include <atomic>
#include <memory>
#include <vector>

#include <backflow/runtime/base/error.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/error_of.h>

using namespace backflow;
using train::BatchRequest;
using train::Prefetcher;

namespace {

/// A sample is its number; one of them fails.
class Numbers : public train::SampleSource {
 public:
  Numbers() {
    info_.sample_shape = {1};
    info_.sample_dtype = kFloat64;
    info_.classes = 1;
  }
  std::int64_t size() const override { return 1000; }
  const train::DataInfo& info() const override { return info_; }
  train::RawBatch read(std::span<const std::int64_t> indices) const override {
    Tensor x = empty_tensor({static_cast<std::int64_t>(indices.size()), 1}, kFloat64);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      check(indices[i] != 13, "sample 13 is damaged");
      x.mutable_data_ptr<double>()[i] = static_cast<double>(indices[i]);
    }
    ++made;
    return {x, read_targets(indices)};
  }
  Tensor read_targets(std::span<const std::int64_t> indices) const override {
    Tensor y = empty_tensor({static_cast<std::int64_t>(indices.size())}, kInt64);
    std::fill_n(y.mutable_data_ptr<std::int64_t>(), indices.size(), 0);
    return y;
  }
  std::string description() const override { return "numbers"; }

  mutable std::atomic<int> made = 0;

 private:
  train::DataInfo info_;
};

/// Batches of one sample each, from `first` on.
Prefetcher::Sequence batches(std::int64_t first, std::int64_t count) {
  return [first, left = count]() mutable -> std::optional<BatchRequest> {
    return left-- > 0 ? std::optional(BatchRequest{{first++}, 0}) : std::nullopt;
  };
}

}  // namespace

TEST_CASE("prefetcher: batches come in their order, whatever the depth and the number of workers") {
  const auto source = std::make_shared<Numbers>();
  const train::BatchMaker data(source, {kFloat64, {}, nullptr});
  for (const Prefetcher::Options options :
       {Prefetcher::Options{0, 1}, {1, 1}, {2, 1}, {3, 4}, {64, 8}, {2, 5}, {32, 1}}) {
    Prefetcher prefetcher(data, batches(100, 50), options);
    for (int i = 0; i < 50; ++i) {
      REQUIRE(prefetcher.next().x.item<double>() == 100 + i);
    }
    CHECK(test::error_of([&] { prefetcher.next(); }) == "prefetcher: no batch is left: need no call after the last");
    CHECK(prefetcher.stall_seconds() >= 0);
  }
}

TEST_CASE("prefetcher: what making a batch throws comes in the place of that batch") {
  const train::BatchMaker data(std::make_shared<Numbers>(), {kFloat64, {}, nullptr});
  for (const Prefetcher::Options options : {Prefetcher::Options{0, 1}, {4, 3}}) {
    Prefetcher prefetcher(data, batches(11, 5), options);
    CHECK(prefetcher.next().x.item<double>() == 11);
    CHECK(prefetcher.next().x.item<double>() == 12);
    CHECK(test::error_of([&] { prefetcher.next(); }) == "sample 13 is damaged");
    CHECK(prefetcher.next().x.item<double>() == 14);
  }
  Prefetcher failing(data, []() -> std::optional<BatchRequest> { fail("no order"); }, {});
  CHECK(test::error_of([&] { failing.next(); }) == "no order");
}

TEST_CASE("prefetcher: by default small batches are made farther ahead than large ones") {
  train::DataInfo info;
  info.sample_shape = {1024};
  const auto depth = [&](std::int64_t prefetch, std::int64_t samples) {
    train::DataOptions options;
    options.prefetch = prefetch;
    return train::prefetch_options(options, info, samples).depth;
  };
  CHECK(depth(-1, 0) == 32);
  CHECK(depth(-1, 16) == 32);
  CHECK(depth(-1, 1000) == 4);
  CHECK(depth(-1, 1'000'000) == 2);
  CHECK(depth(0, 16) == 0);
  CHECK(depth(7, 1'000'000) == 7);
}

TEST_CASE("prefetcher: no more batches than its depth are made ahead") {
  const auto source = std::make_shared<Numbers>();
  const train::BatchMaker data(source, {kFloat64, {}, nullptr});
  {
    Prefetcher prefetcher(data, batches(100, 900), {.depth = 3, .workers = 2});
    for (int i = 0; i < 5; ++i) {
      prefetcher.next();
    }
  }
  CHECK(source->made <= 8);
  const Prefetcher idle(data, batches(100, 900), {.depth = 2, .workers = 1});  // ends although nobody takes anything
}
