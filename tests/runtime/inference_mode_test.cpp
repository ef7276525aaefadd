// InferenceMode: what it makes, and what may be done with that afterwards.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

Tensor inference_tensor() {
  const InferenceMode guard;
  return tensor({2.0, 3.0});
}

}  // namespace

TEST_CASE("inference mode: tensors made in it are inference tensors, whoever makes them") {
  const Tensor w = tensor({{2.0, 3.0}, {4.0, 5.0}}, requires_grad());
  const InferenceMode guard;
  CHECK(InferenceMode::is_enabled());
  CHECK_FALSE(GradMode::is_enabled());
  for (const Tensor& x : {zeros({2}), ones({2}, requires_grad()), w * 2, w + w, mm(w, w), w.sum(), w.clone(),
                          w.to(kFloat64), w.exp(), w.t().reshape({4}), w.t().contiguous(), w.t().flatten(), (w * 2)[0],
                          (w * 2).t().detach(), (w * 2).data(), w.log_softmax(1), w.sum({0}, true)}) {
    CHECK(x.is_inference());
    CHECK(x.grad_fn() == nullptr);
    CHECK_FALSE(x.is_view());
    CHECK_THROWS_WITH(x._version(),
                      ContainsSubstring(" was made in inference mode: need a tensor that counts changes"));
  }
  CHECK_FALSE(w.is_inference());
}

TEST_CASE("inference mode: views and aliases of normal tensors are normal") {
  const Tensor w = tensor({{2.0, 3.0}, {4.0, 5.0}}, requires_grad());
  const Tensor y = w * 1;
  Tensor v;
  {
    const InferenceMode guard;
    for (const Tensor& x : {w[0], w.t(), w.view({4}), w.expand({3, 2, 2}), w.as_strided({2}, {2}), y[0]}) {
      CHECK_FALSE(x.is_inference());
      CHECK(x.is_view());
      CHECK(x.requires_grad());  // as their base, though nothing is recorded
    }
    CHECK_FALSE(w.detach().is_inference());
    CHECK(w.contiguous().is_same(w));
    v = y[0];
  }
  CHECK(v._base().is_same(y));
  CHECK_THROWS_WITH(v.mul_(2),
                    Equals("mul_: f32[2] is a view made in inference mode: need the view and the change both "
                           "recorded, or neither"));
  {
    const NoGradGuard guard;
    v.mul_(2);
  }
  CHECK(y._version() == 1);
}

TEST_CASE("inference mode: views of inference tensors are inference tensors, outside of it too") {
  const Tensor x = inference_tensor();
  CHECK(x[0].is_inference());
  CHECK(x.view({1, 2}).is_inference());
  CHECK(x.detach().is_inference());
  CHECK_FALSE(x[0].is_view());
}

TEST_CASE("inference mode: outside of it, functions of inference tensors give normal ones") {
  const Tensor x = inference_tensor();
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  CHECK_FALSE((x + 1).is_inference());
  CHECK_FALSE(x.clone().is_inference());
  CHECK_FALSE((x * x).is_inference());
  const Tensor y = x + w;  // saves neither
  y.sum().backward();
  CHECK(bitwise_equal(w.grad(), tensor({1.0, 1.0})));
  CHECK_NOTHROW((x.clone() * w).sum().backward());
  const Tensor z = zeros({2});
  z.copy_(x);
  z.add_(x);
  CHECK(z._version() == 2);
  CHECK_FALSE(z.is_inference());
}

TEST_CASE("inference mode: an inference tensor can't be saved, changed or require a gradient outside of it") {
  const Tensor x = inference_tensor();
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  CHECK_THROWS_WITH(w * x, Equals("save for backward: f32[2] was made in inference mode: need a normal tensor, which "
                                  "clone() gives"));
  CHECK_THROWS_WITH(x * w, StartsWith("save for backward: f32[2] was made in inference mode"));
  CHECK_THROWS_WITH((w * 1).mul_(x), StartsWith("save for backward: f32[2] was made in inference mode"));
  CHECK_THROWS_WITH(w * x[0], StartsWith("save for backward: f32[] was made in inference mode"));
  const char* change =
      ": f32[2] was made in inference mode: need that mode for a change in place; clone() gives a "
      "normal tensor";
  CHECK_THROWS_WITH(x.add_(1), Equals(std::string("add_") + change));
  CHECK_THROWS_WITH(x.zero_(), Equals(std::string("zero_") + change));
  CHECK_THROWS_WITH(x[0].zero_(), StartsWith("zero_: f32[] was made in inference mode"));
  {
    const NoGradGuard guard;
    CHECK_THROWS_WITH(x.copy_(w), Equals(std::string("copy_") + change));
  }
  CHECK_THROWS_WITH(x.requires_grad_(),
                    Equals("requires_grad_: f32[2] was made in inference mode: need that mode, or a "
                           "normal tensor, which clone() gives"));
  CHECK_NOTHROW(x.requires_grad_(false));
  CHECK(bitwise_equal(x, tensor({2.0, 3.0})));
}

TEST_CASE("inference mode: a failed in-place product leaves the tensor as it was") {
  const Tensor x = inference_tensor();
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 1;
  CHECK_THROWS_AS(y.mul_(x), Error);
  CHECK_THROWS_AS(y[0].mul_(x[0]), Error);
  CHECK(y._version() == 0);
  CHECK(y.grad_fn()->name() == "MulBackward0");
  CHECK(bitwise_equal(y.detach(), w.detach()));
}

TEST_CASE("inference mode: changes in it count for normal tensors, and not for inference tensors") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w.exp();
  const Tensor x = inference_tensor();
  {
    const InferenceMode guard;
    w.add_(1);
    y.t().mul_(2);
    x.add_(1).mul_(w);
    x[0].zero_();
  }
  CHECK(w._version() == 1);
  CHECK(y._version() == 1);
  CHECK(w.is_leaf());
  CHECK(w.requires_grad());
  CHECK(bitwise_equal(x, tensor({0.0, 16.0})));
  CHECK_THROWS_WITH(y.sum().backward(), ContainsSubstring("was changed in place: it is at version 1, need version 0"));
}

TEST_CASE("inference mode: InferenceMode(false) inside of it is normal mode") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const InferenceMode guard;
  const Tensor x = w * 2;
  {
    const InferenceMode normal(false);
    CHECK_FALSE(InferenceMode::is_enabled());
    CHECK(GradMode::is_enabled());
    const Tensor y = w * 3;
    CHECK_FALSE(y.is_inference());
    CHECK(y.requires_grad());
    y.sum().backward();
    CHECK_THROWS_AS(x.add_(1), Error);
  }
  CHECK(InferenceMode::is_enabled());
  CHECK_FALSE(GradMode::is_enabled());
  CHECK(bitwise_equal(w.grad(), tensor({3.0, 3.0})));
}

TEST_CASE("inference mode: recording can't be switched on in it") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  {
    const InferenceMode guard;
    const AutoGradMode recording(true);
    const Tensor y = w * 2;
    CHECK_FALSE(y.requires_grad());
    CHECK(y.is_inference());
    CHECK_NOTHROW(w.add_(1));
    { const NoGradGuard inner; }
    const Tensor leaf = ones({2}, requires_grad());
    CHECK(leaf.requires_grad());
    CHECK_FALSE((leaf * 2).requires_grad());
  }
  CHECK(GradMode::is_enabled());
  CHECK((w * 2).requires_grad());
}

TEST_CASE("inference mode: a view that a recorded change made stale can be asked for its history in it") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 2;
  const Tensor v = y[0];
  y.mul_(3);
  {
    const InferenceMode guard;
    CHECK(v.requires_grad());
    CHECK(v.grad_fn()->name() == "AsStridedBackward0");
  }
  CHECK(bitwise_equal(autograd::grad({v}, {w})[0], tensor({6.0, 0.0})));
}

TEST_CASE("inference mode: backward in it computes normal gradients") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = (w * w).sum();
  {
    const InferenceMode guard;
    y.backward();
  }
  CHECK_FALSE(w.grad().is_inference());
  CHECK(bitwise_equal(w.grad(), tensor({4.0, 6.0})));
  w.mutable_grad().zero_();
}
