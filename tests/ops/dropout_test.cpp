// What dropout promises beyond the samples: frequencies, the same mask in backward, generators, threads.
#include <cmath>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/dropout.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

double share_of_zeros(const Tensor& y) { return y.eq(0).to(kFloat64).mean().item<double>(); }

}  // namespace

TEST_CASE("dropout: drops as many as it should, and keeps the mean") {
  const DefaultGeneratorGuard guard({7, 0});
  const Tensor x = ones({400, 1000});
  for (const double p : {0.1, 0.5, 0.9}) {
    const Tensor y = dropout(x, p, true);
    CHECK(share_of_zeros(y) == Approx(p).margin(0.005));
    CHECK(y.mean().item<double>() == Approx(1).margin(0.02));
  }
  const Tensor y = alpha_dropout(zeros({400, 1000}), 0.3, true);
  CHECK(y.mean().item<double>() == Approx(0).margin(0.01));
}

TEST_CASE("dropout: of features, all elements or none") {
  const DefaultGeneratorGuard guard({7, 0});
  const Tensor y = feature_dropout(ones({50, 40, 3, 5}), 0.25, true);
  const Tensor of_features = y.reshape({2000, 15}).sum(1);
  CHECK(share_of_zeros(of_features) == Approx(0.25).margin(0.05));
  CHECK((of_features * (of_features - 20)).abs().max().item<double>() < 1e-3);
}

TEST_CASE("dropout: the gradient has the mask of the result") {
  const DefaultGeneratorGuard guard({7, 0});
  const Tensor x = ones({333, 7}).set_requires_grad(true);
  const Tensor y = dropout(x, 0.4, true);
  dropout(ones({100}), 0.5, true);  // another draw does not matter
  y.backward(ones_like(y));
  CHECK(bitwise_equal(x.grad(), y.detach()));
}

TEST_CASE("dropout: the bits do not depend on the number of threads") {
  const int before = get_num_threads();
  Tensor first;
  for (const int threads : {1, 2, 4, 8}) {
    set_num_threads(threads);
    const DefaultGeneratorGuard guard({7, 0});
    const Tensor y = alpha_dropout(ones({300001}), 0.4, true);
    first = first.defined() ? first : y;
    CHECK(bitwise_equal(y, first));
  }
  set_num_threads(before);
}

TEST_CASE("dropout: each call takes a stream of the default generator, and none when it changes nothing") {
  const DefaultGeneratorGuard guard({7, 0});
  const Tensor x = ones({64});
  const Tensor y = dropout(x, 0.5, true);
  CHECK_FALSE(bitwise_equal(dropout(x, 0.5, true), y));
  CHECK(default_generator().state().offset == 2);
  CHECK(dropout(x, 0.5, false).is_same(x));
  CHECK(dropout(x, 0, true).is_same(x));
  CHECK(default_generator().state().offset == 2);
}

TEST_CASE("dropout: in place, the tensor becomes the result") {
  const Tensor x = ones({4, 5});
  CHECK(dropout_(x, 1, true).is_same(x));
  CHECK(x.sum().item<double>() == 0);
  const Tensor leaf = ones({4}).set_requires_grad(true);
  CHECK_THROWS(dropout_(leaf, 0.5, true));
  CHECK(dropout_(leaf, 0.5, false).is_same(leaf));
}
