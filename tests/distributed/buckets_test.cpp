#include <backflow/distributed/buckets/buckets.h>

#include <cstdint>
#include <functional>
#include <vector>

#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/hooks.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

std::vector<std::vector<std::size_t>> members(const std::vector<BucketPlan>& plans) {
  std::vector<std::vector<std::size_t>> out;
  for (const BucketPlan& plan : plans) {
    out.emplace_back();
    for (const BucketSlot& slot : plan.slots) {
      out.back().push_back(slot.parameter);
    }
  }
  return out;
}

using Members = std::vector<std::vector<std::size_t>>;

/// Backward of the sum of x w^T; returns where the gradient of w was computed.
const void* backward_through(const Tensor& x, const Tensor& w) {
  const Tensor y = linear(x, w);
  const void* place = nullptr;
  y.grad_fn()->register_hook([&place](const std::vector<Tensor>& dx, const std::vector<Tensor>&) {
    place = dx[1].const_data_ptr();
    return std::vector<Tensor>();
  });
  sum(y).backward();
  return place;
}

}  // namespace

TEST_CASE("buckets: reverse order, the first small, the others up to their limit", "[buckets]") {
  std::vector<Tensor> parameters;
  for (int i = 0; i < 8; ++i) {
    parameters.push_back(parameter({100}));  // 400 bytes
  }
  CHECK(members(plan_buckets(parameters, {800, 1200})) == Members{{7, 6}, {5, 4, 3}, {2, 1, 0}});
  CHECK(members(plan_buckets(parameters, {900, 1300})) == Members{{7, 6}, {5, 4, 3}, {2, 1, 0}});
  CHECK(members(plan_buckets(parameters)) == Members{{7, 6, 5, 4, 3, 2, 1, 0}});
  CHECK(plan_buckets({}).empty());
}

TEST_CASE("buckets: one that is larger than the limit is alone", "[buckets]") {
  const std::vector<Tensor> parameters = {parameter({10}), parameter({1000}), parameter({10}), parameter({10}),
                                          parameter({2000})};
  CHECK(members(plan_buckets(parameters, {100, 200})) == Members{{4}, {3, 2}, {1}, {0}});
}

TEST_CASE("buckets: one dtype each, in the order in which they become ready", "[buckets]") {
  const std::vector<Tensor> parameters = {parameter({4}, 0, kFloat64), parameter({4}), parameter({4}),
                                          parameter({4}, 0, kFloat64), parameter({4})};
  const auto plans = plan_buckets(parameters, {32, 1000});
  CHECK(members(plans) == Members{{3}, {4, 2}, {1}, {0}});
  CHECK(plans[0].dtype == kFloat64);
  CHECK(plans[1].dtype == kFloat32);
}

TEST_CASE("buckets: places are aligned, apart, and inside", "[buckets]") {
  const std::vector<Tensor> parameters = {parameter({3, 5}), parameter({0}), parameter({}), parameter({17})};
  const auto plans = plan_buckets(parameters);
  REQUIRE(plans.size() == 1);
  std::int64_t end = 0;
  for (std::size_t i = 0; i < plans[0].slots.size(); ++i) {
    const BucketSlot& slot = plans[0].slots[i];
    CHECK(slot.offset % 16 == 0);
    CHECK(slot.offset >= end);
    end = slot.offset + slot.numel;
    CHECK(slot.numel == parameters[slot.parameter].numel());
    CHECK(plans[0].count_offset(i) >= end);
    CHECK(plans[0].count_offset(i) < plans[0].numel);
  }
}

TEST_CASE("buckets: gradients live in the bucket as long as it exists", "[buckets]") {
  const std::vector<Tensor> parameters = {parameter({3}), parameter({2, 2})};
  {
    const Bucket bucket(plan_buckets(parameters)[0], parameters);
    receive_gradient(parameters[0], 5);
    receive_gradient(parameters[1], 7);
    CHECK(parameters[0].grad().impl().storage == bucket.flat().impl().storage);
    CHECK(parameters[1].grad().impl().storage == bucket.flat().impl().storage);
    CHECK(parameters[1].grad().sizes() == parameters[1].sizes());
  }
  CHECK(all_equal(parameters[0].grad(), 5));
  CHECK_FALSE(parameters[0].impl().meta().grad_buffer.defined());
}

TEST_CASE("buckets: parameters without a gradient count as zeros and keep none", "[buckets]") {
  const std::vector<Tensor> parameters = {parameter({3}), parameter({2})};
  Bucket bucket(plan_buckets(parameters)[0], parameters);
  receive_gradient(parameters[0], 5);
  receive_gradient(parameters[1], 7);
  bucket.fill();
  bucket.publish();
  parameters[0].mutable_grad() = Tensor();
  parameters[1].mutable_grad() = Tensor();

  bucket.begin(Bucket::Share::Keep);
  receive_gradient(parameters[0], 1);
  bucket.fill();
  bucket.publish();
  CHECK(all_equal(parameters[0].grad(), 1));
  CHECK_FALSE(parameters[1].grad().defined());
  CHECK(all_equal(view_of(bucket.flat(), {2}, {1}, bucket.plan().slots[0].offset), 0));  // nothing of the last pass
}

TEST_CASE("buckets: a gradient from elsewhere is taken in", "[buckets]") {
  const std::vector<Tensor> parameters = {parameter({2, 3})};
  Bucket bucket(plan_buckets(parameters)[0], parameters);
  SECTION("of the right shape") {
    parameters[0].mutable_grad() = filled({2, 3}, 4);
    bucket.fill();
    CHECK(all_equal(view_of(bucket.flat(), {6}, {1}, 0), 4));
    CHECK(parameters[0].grad().impl().storage == bucket.flat().impl().storage);
  }
  SECTION("that is another handle of the place itself") {
    receive_gradient(parameters[0], 4);
    parameters[0].mutable_grad() = parameters[0].grad().detach();
    bucket.fill();
    CHECK(all_equal(parameters[0].grad(), 4));
  }
  SECTION("of the wrong shape") {
    parameters[0].mutable_grad() = filled({6}, 4);
    CHECK_THROWS_WITH(bucket.fill(), Equals("data_parallel: gradient f32[6] of parameter f32[2, 3]: need the "
                                            "parameter's shape and dtype"));
  }
}

TEST_CASE("buckets: the gradient of a matrix is computed where it is sent from", "[buckets]") {
  const std::vector<Tensor> parameters = {parameter({2}), parameter({4, 3}, 0.5)};
  const Tensor& w = parameters[1];
  Bucket bucket(plan_buckets(parameters)[0], parameters);
  const Tensor x = filled({5, 3}, 2);
  const auto is_in_bucket = [&bucket](const void* place) {
    const auto* first = bucket.flat().const_data_ptr<float>();
    return std::greater_equal<>()(place, first) && std::less<>()(place, first + bucket.flat().numel());
  };
  SECTION("at first, and again after zero_grad") {
    for (int pass = 0; pass < 2; ++pass) {
      CHECK(is_in_bucket(backward_through(x, w)));
      CHECK(all_equal(w.grad(), 10));
      w.mutable_grad() = Tensor();
    }
  }
  SECTION("not when it is added to a gradient that is there") {
    backward_through(x, w);
    CHECK_FALSE(is_in_bucket(backward_through(x, w)));
    CHECK(all_equal(w.grad(), 20));
  }
  SECTION("not when it is one of two contributions") {
    sum(add(linear(x, w), linear(filled({5, 3}, 1), w))).backward();
    CHECK(all_equal(w.grad(), 15));
  }
  SECTION("also when a hook only waits for it") {
    register_post_accumulate_grad_hook(w, [](const Tensor&) {});
    CHECK(is_in_bucket(backward_through(x, w)));
    CHECK(all_equal(w.grad(), 10));
  }
  SECTION("not when a hook may keep it") {
    Tensor kept;
    w.register_hook([&kept](const Tensor& dw) { kept = dw; });
    CHECK_FALSE(is_in_bucket(backward_through(x, w)));
    bucket.flat().fill_(0);
    CHECK(all_equal(kept, 10));
  }
  SECTION("by one pass at a time") {
    const Tensor y = linear(x, w);
    y.grad_fn()->register_hook([&](const std::vector<Tensor>&, const std::vector<Tensor>&) {
      const AutoGradMode records(true);
      CHECK_FALSE(is_in_bucket(backward_through(x, w)));  // before the outer pass has handed on what it has computed
      return std::vector<Tensor>();
    });
    sum(y).backward();
    CHECK(all_equal(w.grad(), 20));
    bucket.fill();
    CHECK(all_equal(view_of(bucket.flat(), {12}, {1}, bucket.plan().slots[0].offset), 20));
  }
  SECTION("again after a pass that has failed") {
    const Tensor y = linear(x, w);
    y.grad_fn()->register_hook(
        [](const std::vector<Tensor>&, const std::vector<Tensor>&) -> std::vector<Tensor> { fail("planted"); });
    CHECK_THROWS_WITH(sum(y).backward(), Catch::Matchers::Contains("planted"));
    bucket.begin(Bucket::Share::Keep);
    CHECK(is_in_bucket(backward_through(x, w)));
    CHECK(all_equal(w.grad(), 10));
  }
}
