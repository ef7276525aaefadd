#include <backflow/distributed/data_parallel.h>

#include <memory>
#include <string>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

TEST_CASE("data parallel: models that differ between ranks are an Error on all of them", "[data_parallel]") {
  const auto ours = world();
  if (ours->size() == 1) {
    return;
  }
  const int last = ours->size() - 1;
  const bool is_last = ours->rank() == last;
  std::vector<Tensor> parameters = {parameter({2, 3}), parameter({3})};
  DataParallelOptions options;
  options.names = {"fc.weight", "fc.bias"};
  std::string found;
  SECTION("shape") {
    parameters[1] = parameter({is_last ? 4 : 3});
    found = "parameter 1 is fc.bias f32[4], on rank 0 fc.bias f32[3]";
  }
  SECTION("dtype") {
    parameters[1] = parameter({3}, 0, is_last ? kFloat64 : kFloat32);
    found = "parameter 1 is fc.bias f64[3], on rank 0 fc.bias f32[3]";
  }
  SECTION("name") {
    options.names[0] = is_last ? "fc.w" : "fc.weight";
    found = "parameter 0 is fc.w f32[2, 3], on rank 0 fc.weight f32[2, 3]";
  }
  SECTION("number") {
    if (is_last) {
      parameters.pop_back();
      options.names.pop_back();
    }
    found = "1 parameters, on rank 0 2";
  }
  SECTION("frozen") {
    parameters[0].set_requires_grad(!is_last);
    found = "parameter 0 is fc.weight f32[2, 3] without gradient, on rank 0 fc.weight f32[2, 3]";
  }
  CHECK_THROWS_WITH(
      DataParallel(parameters, ours, options),
      Equals("data_parallel: rank " + std::to_string(last) + ": " + found + ": need the same model on every rank"));
  ours->barrier();
}

TEST_CASE("data parallel: wrong parameters", "[data_parallel]") {
  const auto one = std::make_shared<NullCommunicator>();
  const Tensor x = parameter({3});
  CHECK_THROWS_WITH(DataParallel({x, x}, one), ContainsSubstring("parameter 1 f32[3] is listed twice"));
  CHECK_THROWS_WITH(DataParallel({Tensor()}, one), ContainsSubstring("parameter 0 is undefined"));
  CHECK_THROWS_WITH(DataParallel({x}, nullptr), ContainsSubstring("no communicator"));
}
