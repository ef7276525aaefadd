// Optimizers update all parameters in one loop over equal pieces: the same bits however that is cut.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/ops/kernels/elementwise/clip.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::optim;
using namespace backflow::test;

namespace {

using Make = std::function<std::unique_ptr<Optimizer>(std::vector<Tensor>)>;

template <class O, class Options>
Make make(const Options& options) {
  return [options](std::vector<Tensor> parameters) { return std::make_unique<O>(std::move(parameters), options); };
}

/// Many of odd sizes, one of them larger than all others together, one without elements.
std::vector<Tensor> odd_parameters(ScalarType dtype) {
  std::vector<Tensor> parameters;
  for (const std::int64_t n : {1, 7, 513, 0, 100003, 511, 4099, 3, 64, 20011, 1023, 2}) {
    parameters.push_back(random_tensor({n}, "parameter" + std::to_string(n), dtype));
    parameters.back().set_requires_grad(true);
  }
  return parameters;
}

/// The parameters after three steps.
std::vector<Tensor> trained(const Make& make_optimizer, ScalarType dtype, std::int64_t pieces) {
  const ForcedPieces forced(pieces);
  const std::vector<Tensor> parameters = odd_parameters(dtype);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(parameters);
  for (int step = 0; step < 3; ++step) {
    for (const Tensor& p : parameters) {
      p.mutable_grad() = random_tensor(p.sizes().vec(), "gradient" + std::to_string(step), dtype);
    }
    optimizer->step();
  }
  std::vector<Tensor> values;
  for (const Tensor& p : parameters) {
    values.push_back(p.detach());
  }
  return values;
}

}  // namespace

TEST_CASE("optimizers: bits do not depend on how parameters are cut") {
  const std::vector<Make> optimizers = {
      make<SGD>(SGDOptions(0.1)),
      make<SGD>(SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(0.01)),
      make<Adam>(AdamOptions(0.1).amsgrad(true)),
      make<AdamW>(AdamWOptions(0.1)),
      make<RMSprop>(RMSpropOptions(0.1).momentum(0.5).centered(true)),
      make<Adagrad>(AdagradOptions(0.1)),
  };
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    for (std::size_t i = 0; i < optimizers.size(); ++i) {
      const std::vector<Tensor> expected = trained(optimizers[i], dtype, 1);
      for (const std::int64_t pieces : {2, 3, 7, 64}) {
        CAPTURE(short_name(dtype), i, pieces);
        CHECK(bitwise_equal(trained(optimizers[i], dtype, pieces), expected));
      }
    }
  }
}

TEST_CASE("clip: all gradients in one loop have the bits of one operator for each, however that is cut") {
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    for (const bool is_twice : {false, true}) {
      const auto gradients = [&] {
        std::vector<Tensor> all;
        for (const std::int64_t n : {1, 513, 0, 100003, 511, 4099}) {
          all.push_back(random_tensor({n}, "gradient" + std::to_string(n), dtype));
        }
        all.push_back(random_tensor({70, 33}, "strided", dtype).t());
        if (is_twice) {
          all.push_back(all[3].slice(0, 7, 9999));
        }
        return all;
      };
      const std::vector<Tensor> expected = gradients();
      for (const Tensor& x : expected) {
        x.mul_(0.7);
      }
      for (const Tensor& x : expected) {
        x.clamp_(-0.5, 0.6);
      }
      for (const std::int64_t pieces : {1, 2, 3, 7, 64}) {
        CAPTURE(short_name(dtype), is_twice, pieces);
        const ForcedPieces forced(pieces);
        const std::vector<Tensor> found = gradients();
        kernels::multiply_all(found, 0.7);
        kernels::clamp_all(found, -0.5, 0.6);
        CHECK(bitwise_equal(found, expected));
      }
    }
  }
}
