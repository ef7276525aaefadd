// Files that libtorch's torch::save() has written; tests/compat/tools/libtorch_files.cpp made them.
#include <cstdlib>
#include <string>
#include <vector>

#include <backflow/tests/catch2.h>
#include <backflow/tests/serialize/support.h>

using namespace backflow;
using namespace backflow::test;

namespace {

struct NetImpl : nn::Module {
  NetImpl() {
    fc = register_module("fc", nn::Linear(3, 2));
    norm = register_module("norm", nn::BatchNorm1d(2));
    scale = register_parameter("scale", zeros({2}));
  }
  nn::Linear fc{nullptr};
  nn::BatchNorm1d norm{nullptr};
  Tensor scale;
};
BACKFLOW_MODULE(Net);

const std::string kFiles = BACKFLOW_TEST_FILES;

}  // namespace

TEST_CASE("load: a net and its optimizer go on where libtorch has left them", "[serialize]") {
  Net net;
  optim::Adam adam(net->parameters(), optim::AdamOptions(1.0));
  load(net, kFiles + "/libtorch_module.pt");
  load(adam, kFiles + "/libtorch_adam.pt");
  const auto& options = static_cast<optim::AdamOptions&>(adam.param_groups()[0].options());
  CHECK(options.lr() == 0.125);
  CHECK(options.betas() == std::tuple(0.5, 0.75));
  CHECK(adam.state(net->scale)["step"].item<std::int64_t>() == 2);

  adam.zero_grad();
  const Tensor x = arange(12, kFloat).view({4, 3}).sin();
  const Tensor h = net->fc(x);
  const Tensor y = net->norm(h) * net->scale + h;
  (y * arange(8, kFloat).view({4, 2}).sin()).sum().backward();
  adam.step();
  Net after;
  load(after, kFiles + "/libtorch_module_after.pt");
  for (std::size_t i = 0; i < net->parameters().size(); ++i) {
    CHECK(allclose(net->parameters()[i], after->parameters()[i], 1e-5, 1e-6));
  }
  CHECK(allclose(net->norm->running_var, after->norm->running_var));
  CHECK(after->norm->num_batches_tracked.item<std::int64_t>() == 3);
}

TEST_CASE("load: lists of libtorch come with their dtypes", "[serialize]") {
  std::vector<Tensor> list;
  load(list, kFiles + "/libtorch_list.pt");
  REQUIRE(list.size() == 2);
  CHECK(contents({{"a", list[0]}, {"b", list[1]}}) ==
        contents({{"a", tensor({1.5F, -2.0F})}, {"b", tensor({7}, kInt64)}}));
  nn::Linear net(2, 2);
  CHECK(error_of([&] { load(net, kFiles + "/libtorch_adam.pt"); }).find("missing 'weight', 'bias'") !=
        std::string::npos);
}
