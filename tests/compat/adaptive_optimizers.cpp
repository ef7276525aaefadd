// Adam, AdamW, RMSprop and Adagrad over twelve steps, with groups of their own options, gradients that are not there in
// every step, a closure and a schedule.
#include <backflow/tests/compat/torch_api.h>

#include <functional>
#include <memory>
#include <vector>

namespace optim = torch::optim;

namespace {

using Options = std::unique_ptr<optim::OptimizerOptions>;
using Make = std::function<std::unique_ptr<optim::Optimizer>(std::vector<optim::OptimizerParamGroup>)>;

/// Prints enough digits to tell another order of operations.
void values(const char* what, const torch::Tensor& x) {
  std::printf("%s:", what);
  const torch::Tensor all = x.detach().to(torch::kDouble).contiguous();
  for (std::int64_t i = 0; i < all.numel(); ++i) {
    std::printf(" %.11e", all.data_ptr<double>()[i]);
  }
  std::printf("\n");
}

/// Two groups: one with the optimizer's options, one with `special`.
void run(const char* name, const Make& make, Options special) {
  std::printf("-- %s\n", name);
  const auto f64 = torch::TensorOptions(torch::kFloat64).requires_grad(true);
  auto a = torch::tensor({1.0, -2.0, 3.0}, f64);
  auto b = torch::tensor({{0.5, 0.25}, {-0.125, 4.0}}, f64);
  auto c = torch::tensor({-1.5}, f64);
  std::vector<optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<torch::Tensor>{a, b});
  groups.emplace_back(std::vector<torch::Tensor>{c}, std::move(special));
  const auto optimizer = make(std::move(groups));
  optim::StepLR schedule(*optimizer, 4, 0.5);
  for (int i = 0; i < 12; ++i) {
    optimizer->zero_grad();
    auto loss = (a * a).sum() * 0.5 + (c * c * c).sum() * (i % 3 - 0.5);
    if (i % 4 != 2) {
      loss = loss + (b * b * b).sum() * (i % 5 - 1.5);
    }
    loss.backward();
    if (i % 4 == 2) {
      b.mutable_grad() = torch::Tensor();
    }
    optimizer->step();
    schedule.step();
  }
  values("a", a);
  values("b", b);
  values("c", c);
  for (auto& group : optimizer->param_groups()) {
    std::printf("lr %.6f\n", group.options().get_lr());
  }
}

template <class O, class Opts>
void run(const char* name, const Opts& options, const Opts& special) {
  run(
      name, [&](auto groups) { return std::make_unique<O>(std::move(groups), options); },
      std::make_unique<Opts>(special));
}

}  // namespace

int main() {
  using namespace torch::optim;
  run<Adam>("adam", AdamOptions(), AdamOptions(0.1).weight_decay(0.1).betas({0.8, 0.99}));
  run<Adam>("adam with amsgrad", AdamOptions(0.05).amsgrad(true),
            AdamOptions(0.1).amsgrad(true).eps(1e-3).betas(std::make_tuple(0.5, 0.6)));
  run<AdamW>("adamw", AdamWOptions(), AdamWOptions(0.1).weight_decay(0.3).betas({0.8, 0.99}));
  run<AdamW>("adamw with amsgrad", AdamWOptions(0.05).amsgrad(true), AdamWOptions(0.1).weight_decay(0).amsgrad(true));
  run<RMSprop>("rmsprop", RMSpropOptions(), RMSpropOptions(0.02).alpha(0.9).weight_decay(0.1));
  run<RMSprop>("rmsprop with momentum", RMSpropOptions(0.02).momentum(0.9),
               RMSpropOptions(0.02).momentum(0.5).centered(true).eps(1e-3));
  run<Adagrad>("adagrad", AdagradOptions(), AdagradOptions(0.1).lr_decay(0.01).weight_decay(0.1).eps(1e-5));

  auto x = torch::tensor({1.0, -2.0}, torch::requires_grad());
  Adam adam({x}, AdamOptions(0.1).betas({0.9, 0.99}));
  auto loss = adam.step([&] {
    adam.zero_grad();
    auto l = (x * x).sum();
    l.backward();
    return l;
  });
  show("loss before the step", loss);
  show("x", x);
  auto& options = static_cast<AdamOptions&>(adam.param_groups()[0].options());
  std::printf("lr %.3f, betas %.3f %.3f, eps %.1e, weight decay %.3f, amsgrad %d\n", options.lr(),
              std::get<0>(options.betas()), std::get<1>(options.betas()), options.eps(), options.weight_decay(),
              options.amsgrad());
  std::printf("adamw: lr %.4f, weight decay %.3f\n", AdamWOptions().lr(), AdamWOptions().weight_decay());
  auto y = torch::zeros({1}, torch::requires_grad());
  adam.add_param_group(std::vector<torch::Tensor>{y});
  adam.zero_grad();
  (y + 1).pow(2).backward();
  adam.step();
  show("y", y);
  throws("a negative learning rate", [&] { Adam({y}, AdamOptions(-1)); });
  throws("a beta of 1", [&] { Adam({y}, AdamOptions().betas({0.9, 1})); });
  throws("a negative eps", [&] { AdamW({y}, AdamWOptions().eps(-1)); });
  throws("a negative alpha", [&] { RMSprop({y}, RMSpropOptions().alpha(-1)); });
  throws("a negative decay of the learning rate", [&] { Adagrad({y}, AdagradOptions().lr_decay(-1)); });
}
