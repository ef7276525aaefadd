#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

namespace init = backflow::nn::init;
namespace nn = backflow::nn;
using backflow::Generator;
using backflow::Tensor;

namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

struct Moments {
  double mean = 0;
  double std = 0;
  double least = 0;
  double greatest = 0;
};

Moments moments(const Tensor& x) {
  const Tensor d = x.detach().to(backflow::kFloat64).contiguous();
  const double* begin = d.data_ptr<double>();
  const double* end = begin + d.numel();
  Moments m{0, 0, *std::min_element(begin, end), *std::max_element(begin, end)};
  for (const double* p = begin; p != end; ++p) {
    m.mean += *p / static_cast<double>(d.numel());
  }
  for (const double* p = begin; p != end; ++p) {
    m.std += (*p - m.mean) * (*p - m.mean) / static_cast<double>(d.numel());
  }
  m.std = std::sqrt(m.std);
  return m;
}

}  // namespace

TEST_CASE("random: the seed decides, whatever the number of threads", "[nn]") {
  const int threads = backflow::get_num_threads();
  const auto draw = [] {
    backflow::manual_seed(7);
    return std::vector<Tensor>{backflow::rand({3, 100001}), backflow::randn(70003),
                               backflow::randn(50001, backflow::kFloat64), backflow::randint(-5, 9, 90001)};
  };
  const auto expected = draw();
  for (const int n : {1, 2, 4}) {
    backflow::set_num_threads(n);
    const auto again = draw();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(same_bits(again[i], expected[i]));
    }
  }
  backflow::set_num_threads(threads);
  CHECK_FALSE(same_bits(backflow::rand(100), backflow::rand(100)));
}

TEST_CASE("random: a generator's state can be saved and restored", "[nn]") {
  Generator generator(3);
  backflow::rand(10, generator);
  const auto state = generator.state();
  CHECK(state == Generator::State{3, 1});
  const Tensor x = backflow::randn(10, generator);
  Generator other(9);
  other.set_state(state);
  CHECK(same_bits(backflow::randn(10, other), x));
  Generator copy = other;  // the same source
  CHECK(copy.state() == other.state());
  backflow::rand(1, copy);
  CHECK(copy.state() == other.state());
  other.set_current_seed(3);
  CHECK(other.state() == Generator::State{3, 0});
}

TEST_CASE("random: distributions", "[nn]") {
  backflow::manual_seed(1);
  for (const auto dtype : {backflow::kFloat32, backflow::kFloat64}) {
    const Moments u = moments(backflow::rand(200000, dtype));
    CHECK(u.least >= 0);
    CHECK(u.greatest < 1);
    CHECK(u.mean == Approx(0.5).margin(0.004));
    CHECK(u.std == Approx(std::sqrt(1 / 12.0)).margin(0.003));
    const Moments z = moments(backflow::randn(200000, dtype));
    CHECK(z.mean == Approx(0).margin(0.012));
    CHECK(z.std == Approx(1).margin(0.01));
    CHECK(z.greatest > 3.5);
    CHECK(z.greatest < 7);
  }
  const Moments i = moments(backflow::randint(-2, 3, 100000));
  CHECK(i.least == -2);
  CHECK(i.greatest == 2);
  CHECK(i.mean == Approx(0).margin(0.025));
  CHECK(backflow::randint(5, {2, 3}).scalar_type() == backflow::kInt64);
  CHECK_THROWS_WITH(backflow::randint(3, 3, 1), Equals("randint: from 3 to 3: need low < high"));
}

TEST_CASE("random: bounds hold under rounding, strides do not matter", "[nn]") {
  Tensor x = backflow::empty(100000);
  backflow::uniform_(x, 1.0, 1.0 + 0x1p-22);
  CHECK(moments(x).greatest < 1.0 + 0x1p-22);
  backflow::uniform_(x, 2, 2);
  CHECK(moments(x).least == 2);
  CHECK(moments(x).greatest == 2);

  backflow::manual_seed(4);
  const Tensor rows = backflow::rand({30, 20});
  backflow::manual_seed(4);
  const Tensor columns = backflow::empty({20, 30}).t();
  backflow::uniform_(columns);
  CHECK(same_bits(columns.contiguous(), rows));

  CHECK_THROWS_WITH(backflow::uniform_(backflow::zeros(2, backflow::kInt64)), ContainsSubstring("floating-point"));
  CHECK_THROWS_WITH(backflow::uniform_(x, 1, 0), Equals("uniform_: [1, 0): need from <= to"));
  CHECK_THROWS_WITH(backflow::normal_(x, 0, -1), ContainsSubstring("need a number >= 0"));
  CHECK_THROWS_WITH(backflow::normal_(backflow::zeros(2, backflow::requires_grad())),
                    ContainsSubstring("leaf that requires a gradient"));
}

TEST_CASE("init: gains and fans are PyTorch's", "[nn]") {
  CHECK(init::calculate_gain(backflow::kLinear) == 1);
  CHECK(init::calculate_gain(backflow::kTanh) == Approx(1.6666666666666667));
  CHECK(init::calculate_gain(backflow::kReLU) == Approx(1.4142135623730951));
  CHECK(init::calculate_gain(backflow::kLeakyReLU, 0.2) == Approx(1.3867504905630728));
  CHECK(init::calculate_gain(backflow::kSigmoid) == 1);
  CHECK(init::_calculate_fan_in_and_fan_out(backflow::empty({6, 4, 3, 5})) == std::tuple(60, 90));
  CHECK_THROWS_WITH(init::kaiming_uniform_(backflow::empty(3)), ContainsSubstring("at least 2 dimensions"));
}

TEST_CASE("init: distributions", "[nn]") {
  backflow::manual_seed(2);
  const Tensor w = backflow::empty({300, 500}, backflow::requires_grad());
  const auto check_std = [&](double std, double bound) {
    const Moments m = moments(w);
    CHECK(m.std == Approx(std).epsilon(0.02));
    CHECK(m.mean == Approx(0).margin(std * 0.02));
    CHECK(m.greatest < bound);
    CHECK(m.greatest > 0.99 * std::min(bound, 3.5 * std));
  };
  const double kInfinity = 1e30;
  init::kaiming_uniform_(w, 0, backflow::kFanOut, backflow::kReLU);
  check_std(std::sqrt(2.0 / 300), std::sqrt(6.0 / 300));
  init::kaiming_normal_(w);
  check_std(std::sqrt(2.0 / 500), kInfinity);
  init::xavier_uniform_(w, 2);
  check_std(2 * std::sqrt(2.0 / 800), 2 * std::sqrt(6.0 / 800));
  init::xavier_normal_(w);
  check_std(std::sqrt(2.0 / 800), kInfinity);
  init::constant_(w, 3);
  CHECK(moments(w).least == 3);
  init::ones_(w);
  CHECK(moments(w).greatest == 1);
  init::zeros_(w);
  CHECK(moments(w).greatest == 0);
  CHECK(w.requires_grad());
  CHECK(w.is_leaf());
}

TEST_CASE("init: a linear layer starts as PyTorch's", "[nn]") {
  backflow::manual_seed(5);
  nn::Linear layer(400, 300);
  for (const Tensor& p : layer->parameters()) {
    const Moments m = moments(p);
    CHECK(m.least >= -0.05 * (1 + 1e-6));
    CHECK(m.greatest <= 0.05 * (1 + 1e-6));
    CHECK(m.std == Approx(0.05 / std::sqrt(3.0)).epsilon(0.1));
  }
  backflow::manual_seed(5);
  CHECK(same_bits(nn::Linear(400, 300)->weight, layer->weight));
  CHECK_THROWS_WITH(nn::Linear(-1, 2), Equals("linear: sizes -1 and 2: need numbers >= 0"));
}
