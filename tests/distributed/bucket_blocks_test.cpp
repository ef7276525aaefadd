#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/buckets/buckets.h>
#include <backflow/distributed/data_parallel.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

constexpr ChannelBlocks kBlocks{.batch = 32, .channels = 32, .spatial = 9, .block = 16, .batch_block = 16};
constexpr std::int64_t kElements = 32 * 32 * 9;

std::vector<Tensor> convolution_weights() {
  return {parameter({2}), random_tensor({32, 32, 3, 3}, "w").set_requires_grad(true)};
}

Bucket bucket_in_blocks(const std::vector<Tensor>& parameters) {
  const std::vector<ChannelBlocks> blocks{{}, kBlocks};
  return Bucket(plan_buckets(parameters, {}, reverse_order(2), blocks)[0], parameters);
}

Tensor in_blocks(const Tensor& x) {
  const Tensor y = kernels::empty_blocked(x.sizes(), kFloat32, kBlocks);
  kernels::copy(kernels::as_blocked(y, kBlocks).elements, kernels::as_blocked(x, kBlocks).elements);
  return y;
}

/// The elements of the slot of the weights, in the order in which they lie.
std::vector<double> in_slot(const Bucket& bucket) {
  return values(view_of(bucket.flat(), {kElements}, {1}, bucket.plan().slots[0].offset).clone());
}

std::vector<double> in_order_of_blocks(const Tensor& x) { return values(kernels::as_blocked(x, kBlocks).elements); }

void receive(const Tensor& leaf, const Tensor& gradient) { accumulate_into(leaf.impl().meta(), gradient); }

}  // namespace

TEST_CASE("buckets in blocks: a gradient lies as the operators make it, and reads as any other", "[buckets]") {
  const auto parameters = convolution_weights();
  Bucket bucket = bucket_in_blocks(parameters);
  const Tensor gradient = random_tensor({32, 32, 3, 3}, "gradient");
  const Tensor& w = parameters[1];
  const auto in_both_orders = [&] {
    CHECK(in_slot(bucket) == in_order_of_blocks(gradient));
    CHECK(values(w.grad()) == values(gradient));
  };
  for (int pass = 0; pass < 2; ++pass) {  // the last lines of the first read what the second is to put back
    bucket.begin(Bucket::Share::Keep);
    SECTION("from an operator that makes blocks" + std::to_string(pass)) { receive(w, in_blocks(gradient)); }
    SECTION("from another" + std::to_string(pass)) { receive(w, gradient.clone()); }
    SECTION("from elsewhere" + std::to_string(pass)) { w.mutable_grad() = gradient; }
    if (!w.grad().defined()) {
      receive(w, in_blocks(gradient));
    }
    bucket.fill();
    CHECK(kernels::any_blocks(w.grad()).blocks == kBlocks);
    bucket.publish();
    in_both_orders();
    CHECK_FALSE(kernels::any_blocks(w.grad()));  // it has been read
    w.mutable_grad() = Tensor();
  }
}

TEST_CASE("buckets in blocks: what is done to a gradient that was read is sent", "[buckets]") {
  const auto parameters = convolution_weights();
  Bucket bucket = bucket_in_blocks(parameters);
  const Tensor& w = parameters[1];
  receive(w, in_blocks(filled({32, 32, 3, 3}, 2)));
  values(w.grad());
  receive(w, in_blocks(filled({32, 32, 3, 3}, 3)));
  bucket.fill();
  bucket.publish();
  CHECK(in_slot(bucket) == std::vector<double>(kElements, 5));
  CHECK(all_equal(w.grad(), 5));
}

TEST_CASE("buckets in blocks: a sum is counted once, and a missing gradient as zeros", "[buckets]") {
  const auto parameters = convolution_weights();
  Bucket bucket = bucket_in_blocks(parameters);
  const Tensor& w = parameters[1];
  receive(w, in_blocks(filled({32, 32, 3, 3}, 2)));
  bucket.fill();
  bucket.publish();
  if (GENERATE(false, true)) {
    values(w.grad());  // has left the bucket
  }
  bucket.begin(Bucket::Share::Clear);
  CHECK(all_equal(w.grad(), 0));
  bucket.begin(Bucket::Share::Keep);
  receive(w, in_blocks(filled({32, 32, 3, 3}, 3)));
  bucket.fill();
  CHECK(in_slot(bucket) == std::vector<double>(kElements, 3));
  w.mutable_grad() = Tensor();
  bucket.fill();
  CHECK(in_slot(bucket) == std::vector<double>(kElements, 0));
}

TEST_CASE("buckets in blocks: a convolution writes its gradient where it is sent from", "[buckets]") {
  const Tensor w = random_tensor({32, 32, 3, 3}, "w").set_requires_grad(true);
  const Tensor x = random_tensor({4, 32, 8, 8}, "x");
  const auto backward = [&] { sum(tanh(conv2d(x, w, {}, {1, 1}, {1, 1}))).backward(); };
  backward();
  const ChannelBlocks blocks = kernels::any_blocks(w.grad()).blocks;  // none on some machines
  const auto expected = values(std::exchange(w.mutable_grad(), Tensor()));

  const std::vector<Tensor> parameters = {w};
  for (const ChannelBlocks& of_slot : {blocks, ChannelBlocks(), kBlocks}) {
    Bucket bucket(plan_buckets(parameters, {}, reverse_order(1), std::vector{of_slot})[0], parameters);
    backward();
    CHECK(w.grad().is_same(w.impl().meta().grad_buffer));
    const Tensor sent = view_of(bucket.flat(), {kElements}, {1}, 0).clone();
    CHECK(values(sent) == (of_slot.batch > 0 ? values(kernels::as_blocked(w.grad(), of_slot).elements) : expected));
    CHECK(values(std::exchange(w.mutable_grad(), Tensor())) == expected);
  }
}

TEST_CASE("buckets in blocks: data parallel sums are the same as of row-major gradients", "[buckets]") {
  const Tensor w = random_tensor({32, 32, 3, 3}, "w").set_requires_grad(true);
  const Tensor alone = w.detach().clone().set_requires_grad(true);
  DataParallel parallel({w}, world(), {.names = {}});
  if (world()->size() == 1) {
    return;
  }
  for (int step = 0; step < 3; ++step) {
    const Tensor x = random_tensor({4, 32, 8, 8}, to_text("x", step, ",", world()->rank()));
    const auto loss_of = [&](const Tensor& weights) { return sum(tanh(conv2d(x, weights, {}, {1, 1}, {1, 1}))); };
    alone.mutable_grad() = Tensor();
    loss_of(alone).backward();
    const bool is_blocked = static_cast<bool>(kernels::any_blocks(alone.grad()));
    const Tensor expected = alone.grad().clone();
    world()->all_reduce_sum(expected);

    parallel.zero_grad();
    parallel.backward(loss_of(w));
    CHECK(parallel.buckets().front().plan().slots[0].is_in_blocks() == (step > 0 && is_blocked));
    CHECK(static_cast<bool>(kernels::any_blocks(w.grad())) == (step > 0 && is_blocked));
    CHECK(values(w.grad()) == values(expected));
  }
}
