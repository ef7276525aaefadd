// Adam, AdamW, RMSprop and Adagrad: the numbers of PyTorch 1.13 after twelve steps in float64.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using backflow::kFloat64;
using backflow::Tensor;
using namespace backflow::optim;

namespace {

constexpr int kSteps = 12;

struct Case {
  std::function<std::unique_ptr<Optimizer>(const Tensor&)> make;
  std::vector<double> parameter;
  std::vector<std::pair<std::string, std::vector<double>>> state;
};

template <class O, class Options>
auto make(const Options& options) {
  return [options](const Tensor& p) { return std::make_unique<O>(std::vector<Tensor>{p}, options); };
}

// Each line is what torch.optim gives for the loss below.
std::vector<Case> cases() {
  return {
      {make<Adam>(AdamOptions(0.1)),
       {-0.026801447178361, -1.1013970723483, 1.9427895227141},
       {{"exp_avg", {1.0161363100016, -0.59179031149562, 1.3128156824426}},
        {"exp_avg_sq", {0.040780318536662, 0.031178130945738, 0.050536808557432}}}},
      {make<Adam>(AdamOptions(0.1).betas({0.8, 0.99}).weight_decay(0.1)),
       {-0.0087174308390372, -1.1181255606303, 1.8993075266931},
       {{"exp_avg", {1.3012460681929, -0.68872205550121, 1.9876358769983}},
        {"exp_avg_sq", {0.40379727365023, 0.33575027863713, 0.58296068613035}}}},
      {make<Adam>(AdamOptions(0.05).eps(0.001).amsgrad(true)),
       {0.45521505039585, -1.5228656132738, 2.4652349977753},
       {{"exp_avg", {1.4397906820964, -0.78010929090577, 1.4204664144648}},
        {"exp_avg_sq", {0.06047231974485, 0.035496856366471, 0.056340489169485}},
        {"max_exp_avg_sq", {0.06047231974485, 0.035496856366471, 0.056340489169485}}}},
      {make<Adam>(AdamOptions(0.1).betas({0.0, 0.9}).weight_decay(0.01).amsgrad(true)),
       {0.030746667146027, -1.3614952434322, 1.8487768488223},
       {{"exp_avg", {2.3112557217392, 0.66464672688881, 3.0154373799898}},
        {"exp_avg_sq", {2.4030572853734, 1.7126931208837, 3.2232706392916}},
        {"max_exp_avg_sq", {2.4886768746807, 2.0458015968029, 3.2232706392916}}}},
      {make<AdamW>(AdamWOptions(0.1)),
       {-0.031548984205645, -1.0854101641723, 1.9137586515854},
       {{"exp_avg", {1.0103464470212, -0.58430346028601, 1.3065097132642}},
        {"exp_avg_sq", {0.040548790490272, 0.031032681321581, 0.050210707340735}}}},
      {make<AdamW>(AdamWOptions(0.1).betas({0.8, 0.99}).weight_decay(0.2).amsgrad(true)),
       {-0.079207177861531, -0.87536285551225, 1.4171917563508},
       {{"exp_avg", {1.1356638232795, -0.3764483521734, 1.6121423225458}},
        {"exp_avg_sq", {0.34849127988429, 0.27139142777307, 0.42616908423645}},
        {"max_exp_avg_sq", {0.34849127988429, 0.27139142777307, 0.42616908423645}}}},
      {make<AdamW>(AdamWOptions(0.1).weight_decay(0)),
       {-0.026801447178361, -1.1013970723483, 1.9427895227141},
       {{"exp_avg", {1.0161363100016, -0.59179031149562, 1.3128156824426}},
        {"exp_avg_sq", {0.040780318536662, 0.031178130945738, 0.050536808557432}}}},
      {make<RMSprop>(RMSpropOptions()),
       {0.44484769803983, -1.6383260114683, 2.4044178336663},
       {{"square_avg", {0.5149026068706, 0.33446934632444, 0.51918870258516}}}},
      {make<RMSprop>(RMSpropOptions(0.02).alpha(0.9).momentum(0.9).weight_decay(0.1)),
       {-0.63241343146924, -0.69617303163325, 0.98107748683735},
       {{"square_avg", {1.6105577652083, 1.7040889379825, 3.1385664028287}},
        {"momentum_buffer", {5.4244562148167, -4.4363040068517, 9.7903813549976}}}},
      {make<RMSprop>(RMSpropOptions(0.02).eps(0.001).centered(true)),
       {0.022783827144773, -1.3509798081002, 1.8302201831935},
       {{"square_avg", {0.32074006627968, 0.29449267938981, 0.44711604660037}},
        {"grad_avg", {0.14529234589034, -0.11971621758413, 0.18909378033261}}}},
      {make<RMSprop>(RMSpropOptions(0.02).momentum(0.5).centered(true)),
       {-0.3183238181482, -0.91644993290871, 0.93260061497071},
       {{"square_avg", {0.22118847028858, 0.25922356945881, 0.35849534796179}},
        {"momentum_buffer", {3.3433612328955, 1.2450816175228, 6.6541126781931}},
        {"grad_avg", {0.073659689400506, -0.089530056861995, 0.16084156287815}}}},
      {make<Adagrad>(AdagradOptions()),
       {0.93988572125567, -1.9605829856811, 2.9394732777427},
       {{"sum", {85.618703222618, 41.279513731844, 62.087828855694}}}},
      {make<Adagrad>(AdagradOptions(0.1).lr_decay(0.01).weight_decay(0.1).initial_accumulator_value(0.5).eps(1e-05)),
       {0.48926413142926, -1.6399630022844, 2.4647777610418},
       {{"sum", {60.446439132575, 42.277627954839, 68.542007974038}}}},
  };
}

/// Steps [from, to) of gradient descent on sum(scale p p + (i mod 4 - 1) p).
void descend(Optimizer& optimizer, const Tensor& p, int from, int to) {
  const Tensor scale = backflow::tensor({1.0, 0.5, 0.25}, p.scalar_type());
  for (int i = from; i < to; ++i) {
    optimizer.zero_grad();
    (p * p * scale + p * (i % 4 - 1.0)).sum().backward();
    optimizer.step();
  }
}

Tensor start() { return backflow::tensor({1.0, -2.0, 3.0}, kFloat64).requires_grad_(); }

void check_close(const Tensor& is, const std::vector<double>& should) {
  const std::vector<double> values = backflow::test::array_of(is.detach()).data;
  REQUIRE(values.size() == should.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(values[i] == Approx(should[i]).epsilon(1e-12));
  }
}

}  // namespace

TEST_CASE("adaptive optimizers: parameters and state as in PyTorch 1.13", "[nn]") {
  int number = 0;
  for (const Case& c : cases()) {
    INFO("case " << number++);
    const Tensor p = start();
    const auto optimizer = c.make(p);
    descend(*optimizer, p, 0, kSteps);
    check_close(p, c.parameter);
    const Optimizer::NamedTensors& state = optimizer->state(p);
    CHECK(state.size() == c.state.size() + 1);
    CHECK(state["step"].item<std::int64_t>() == kSteps);
    for (const auto& [name, values] : c.state) {
      INFO(name);
      check_close(state[name], values);
    }
  }
}

TEST_CASE("adaptive optimizers: one that takes over the state goes on with the same bits", "[nn]") {
  for (const Case& c : cases()) {
    const Tensor p = start();
    const auto whole = c.make(p);
    descend(*whole, p, 0, 5);
    const Tensor q = p.detach().clone().requires_grad_();
    const auto resumed = c.make(q);
    resumed->load_state(whole->state());
    descend(*whole, p, 5, kSteps);
    descend(*resumed, q, 5, kSteps);
    CHECK(backflow::test::bitwise_equal(p, q));
    CHECK(backflow::test::bitwise_equal(whole->state().values(), resumed->state().values()));
  }
}
