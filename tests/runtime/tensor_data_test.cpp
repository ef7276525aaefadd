// data(), set_data(), detach() and requires_grad_: what a tensor shares with its aliases, and what it keeps.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("tensor data: detach shares elements and version") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 2;
  const Tensor d = y.detach();
  CHECK(d.data_ptr() == y.data_ptr());
  CHECK(d.is_alias_of(y));
  CHECK(d.is_leaf());
  CHECK_FALSE(d.requires_grad());
  CHECK_FALSE(d.is_same(y));
  d.add_(1);
  CHECK(y._version() == 1);
  CHECK(bitwise_equal(y.detach(), tensor({5.0, 7.0})));
  d.requires_grad_();
  d.sum().backward();
  CHECK(bitwise_equal(d.grad(), tensor({1.0, 1.0})));
  CHECK_FALSE(w.grad().defined());
}

TEST_CASE("tensor data: data() shares elements, not the version") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * w;
  w.data().mul_(10);
  w.variable_data().add_(1);
  CHECK(w._version() == 0);
  CHECK(bitwise_equal(w.detach(), tensor({21.0, 31.0})));
  y.sum().backward();  // goes unnoticed: the gradient is that of the new values
  CHECK(bitwise_equal(w.grad(), tensor({42.0, 62.0})));
  const Tensor d = w.data();
  CHECK_FALSE(d.requires_grad());
  CHECK(d.is_leaf());
  d.add_(1);
  d.data().add_(1);
  CHECK(d._version() == 1);
  CHECK(w.data()._version() == 0);
  CHECK(w.requires_grad());
}

TEST_CASE("tensor data: data() of a view, and a recorded change of it") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 1;
  const Tensor v = y[1];
  const Tensor d = v.data();
  CHECK(d.storage_offset() == 1);
  CHECK_FALSE(d.is_view());
  d.mul_(w[0]);
  CHECK(d.requires_grad());
  CHECK(v.grad_fn()->name() == "SelectBackward0");
  CHECK(bitwise_equal(y.detach(), tensor({2.0, 6.0})));
  CHECK(bitwise_equal(autograd::grad({d}, {w})[0], tensor({3.0, 0.0})));
}

TEST_CASE("tensor data: data() keeps the memory alive, also that of the caller") {
  const std::int64_t before = memory_stats().current_bytes;
  {
    Tensor d;
    {
      const Tensor x = full({1000}, 4);
      d = x.data().data();
    }
    CHECK(d[999].item<float>() == 4);
    d.set_data(d.data());
    CHECK(d[0].item<float>() == 4);
  }
  CHECK(memory_stats().current_bytes == before);
  bool deleted = false;
  float values[2] = {1, 2};
  {
    Tensor d;
    {
      const Tensor x(TensorImpl::make(Storage::wrap(values, sizeof values, [&](void*) { deleted = true; }), kFloat32,
                                      IntArrayRef({2})));
      d = x.data()[1];
    }
    CHECK_FALSE(deleted);
    CHECK(d.item<float>() == 2);
  }
  CHECK(deleted);
}

TEST_CASE("tensor data: set_data keeps identity, gradient, history and version") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  (w * w).sum().backward();
  {
    const NoGradGuard guard;
    w.add_(1);
  }
  const Tensor other = ones({3});
  other.add_(1).add_(1);
  w.set_data(other);
  CHECK(w._version() == 1);
  CHECK(other._version() == 2);
  CHECK(w.sizes() == IntArrayRef({3}));
  CHECK(w.data_ptr() == other.data_ptr());
  CHECK(w.is_alias_of(other));
  CHECK(w.requires_grad());
  CHECK(w.is_leaf());
  CHECK(bitwise_equal(w.grad(), tensor({4.0, 6.0})));
  other.zero_();
  CHECK(w._version() == 1);
  CHECK(bitwise_equal(w.detach(), zeros({3})));
  w.mutable_grad() = Tensor();
  (w * 2).sum().backward();
  CHECK(bitwise_equal(w.grad(), tensor({2.0, 2.0, 2.0})));
  const Tensor y = w * 1;
  y.set_data(ones({3}));
  CHECK(y.grad_fn()->name() == "MulBackward0");
}

TEST_CASE("tensor data: set_data with another dtype or layout") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 1;  // its accumulator adds f32
  w.set_data(tensor({{1.0, 2.0}, {3.0, 4.0}}, kFloat64).t());
  CHECK(w.scalar_type() == kFloat64);
  CHECK_FALSE(w.is_contiguous());
  w.sum().backward();
  CHECK(w.grad().scalar_type() == kFloat64);
  CHECK(w.grad().sizes() == IntArrayRef({2, 2}));
  CHECK_THROWS_WITH(w.set_data(zeros({2}, kInt64)), Equals("set_data: f64[2, 2] requires a gradient, i64[2] is "
                                                           "integral: need a floating-point tensor"));
  const Tensor x = zeros({2});
  x.set_data(zeros({2}, kInt64));
  CHECK(x.scalar_type() == kInt64);
}

TEST_CASE("tensor data: after set_data, old views belong to the old elements") {
  const Tensor x = zeros({2});
  const Tensor v = x[0];
  x.set_data(ones({2}));
  CHECK_FALSE(x.is_alias_of(v));
  v.add_(5);
  CHECK(bitwise_equal(x, ones({2})));
  CHECK(v.item<float>() == 5);
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  x.mul_(w);
  CHECK(x.requires_grad());
  CHECK(bitwise_equal(autograd::grad({x.sum()}, {w})[0], tensor({1.0, 1.0})));
  CHECK_FALSE(v.requires_grad());
  CHECK_THROWS_WITH(v.mul_(w[0]), StartsWith("mul_: f32[] is a view of a tensor that set_data() has given other "
                                             "elements: need a NoGradGuard"));
  v.detach().mul_(w[0]);  // makes the view ask for its base's history, which is no longer its own
  CHECK_FALSE(v.requires_grad());
  CHECK(v.is_leaf());
}

TEST_CASE("tensor data: set_data of a tensor to its own") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  w.set_data(w);
  w.set_data(w.data());
  w.set_data(w[1].detach());
  CHECK(w.item<float>() == 3);
  CHECK(w.dim() == 0);
}

TEST_CASE("tensor data: requires_grad_ and its limits") {
  const Tensor x = zeros({2});
  CHECK(x.requires_grad_().requires_grad());
  CHECK(&x.requires_grad_(false) == &x);
  CHECK_FALSE(x.requires_grad());
  CHECK_THROWS_WITH(zeros({2}, kInt64).set_requires_grad(true),
                    Equals("requires_grad_: dtype i64: need a floating-point tensor"));
  CHECK_NOTHROW(zeros({2}, kInt64).set_requires_grad(false));
  const Tensor y = ones({2}, requires_grad()) * 2;
  CHECK_NOTHROW(y.requires_grad_());
  CHECK_THROWS_WITH(y.requires_grad_(false),
                    Equals("requires_grad_: false for a tensor that a recorded operation made: need a leaf; detach() "
                           "gives one"));
  CHECK(y.requires_grad());
}

TEST_CASE("tensor data: reset makes a handle undefined and leaves the tensor to others") {
  Tensor x = zeros({2});
  const Tensor same = x;
  CHECK(x.use_count() == 2);
  x.reset();
  CHECK_FALSE(x.defined());
  CHECK(x.use_count() == 0);
  CHECK(same.use_count() == 1);
  CHECK_THROWS_WITH(x._version(), StartsWith("tensor: undefined"));
  x.reset();
}
