#include <backflow/train/trainer.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/io/config.h>
#include <backflow/nn/models.h>
#include <backflow/nn/optim/adagrad.h>
#include <backflow/nn/optim/adamw.h>
#include <backflow/nn/optim/rmsprop.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/train/support.h>
#include <backflow/train/data/load_data.h>
#include <backflow/train/task/task.h>

using namespace backflow;

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Twelve pictures of 2 x 2 bytes, in three classes.
train::BatchMaker make_data(const test::TemporaryDirectory& directory) {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> classes;
  for (int i = 0; i < 12; ++i) {
    classes.push_back(static_cast<std::uint8_t>(i % 3));
    for (int k = 0; k < 4; ++k) {
      pixels.push_back(static_cast<std::uint8_t>(37 * i * (k + 1)));
    }
  }
  test::write_idx(directory.file("images"), {12, 2, 2}, pixels);
  test::write_idx(directory.file("labels"), {12}, classes);
  const io::Config config =
      io::Config::parse("[data]\ntrain_images = '" + directory.file("images") + "'\ntrain_labels = '" +
                            directory.file("labels") + "'\ntest_images = ''\n",
                        "test.toml");
  return *train::load_data(train::read_data_options(config.section("data")), kFloat32, 1, train::DataPurpose::Training)
              .train;
}

/// Trains for one epoch in steps of four samples; `before` runs before every forward.
void run(const test::TemporaryDirectory& directory, const train::Experiment& experiment,
         const std::function<void()>& before) {
  const nn::MLP network(4, 5, 3);
  const train::Model model{.module = network.ptr(), .forward = [&](const Tensor& x) {
                             before();
                             return network->forward(x);
                           }};
  const train::BatchMaker data = make_data(directory);
  const auto task = train::Task::make(experiment.task, data.info());
  train::train(experiment, *task, model, {.train = data, .test = &data},
               {.start = {.out = directory.file("run")}, .resolved_config = ""}, {},
               std::make_shared<distributed::NullCommunicator>());
}

train::Experiment experiment(const std::string& train_keys) {
  return train::Experiment::read(
      io::Config::parse("name = \"t\"\n[data]\n[model]\nhidden = [5]\n[optimizer]\nlr = 0.1\n"
                        "[train]\nbatch_size = 4\n" +
                            train_keys,
                        "test.toml"));
}

}  // namespace

TEST_CASE("trainer: warnings go to log.txt while a run lasts, and to the former handler afterwards") {
  std::vector<std::string> elsewhere;
  const WarningHandler before = set_warning_handler([&](const std::string& text) { elsewhere.push_back(text); });
  const test::TemporaryDirectory directory;
  int warnings = 0;
  run(directory, experiment(""), [&] { warn("careful: ", ++warnings); });
  CHECK(elsewhere.empty());
  warn("over");
  CHECK(elsewhere == std::vector<std::string>{"over"});
  set_warning_handler(before);
  const std::string log = contents(directory.file("run/log.txt"));
  CHECK(warnings > 3);  // steps, and the evaluation
  for (int i = 1; i <= warnings; ++i) {
    CHECK_THAT(log, ContainsSubstring("warning: careful: " + std::to_string(i) + "\n"));
  }
}

TEST_CASE(
    "trainer: a batch goes through the model in as many parts as are asked for, and no more than it has samples") {
  for (const auto& [keys, forwards] : {std::pair("", 3), {"micro_batches = 2", 6}, {"micro_batches = 100", 12}}) {
    const test::TemporaryDirectory directory;
    int count = 0;
    run(directory, experiment(keys), [&] { ++count; });
    CHECK(count == forwards + 1);  // and one for the evaluation
  }
}

TEST_CASE("trainer: the keys of a training step") {
  const train::TrainOptions defaults = experiment("").train;
  CHECK(defaults.micro_batches == 1);
  CHECK(defaults.clip_grad_norm == 0);
  CHECK_FALSE(defaults.check_gradients);
  const train::TrainOptions set = experiment("micro_batches = 4\nclip_grad_norm = 0.5\ncheck_gradients = true").train;
  CHECK(set.micro_batches == 4);
  CHECK(set.clip_grad_norm == 0.5);
  CHECK(set.check_gradients);
  for (const char* wrong :
       {"micro_batches = 0", "micro_batches = 1.5", "clip_grad_norm = -0.1", "check_gradients = 1"}) {
    CHECK_THROWS_AS(experiment(wrong), io::ConfigError);
  }
}

namespace {

/// What [optimizer] with these lines makes.
train::OptimizerOptions optimizer(const std::string& lines) {
  return train::Experiment::read(
             io::Config::parse("name = \"t\"\n[model]\nhidden = [5]\n[optimizer]\n" + lines, "x.toml"))
      .optimizer;
}

std::string optimizer_error(const std::string& lines) {
  try {
    optimizer(lines);
  } catch (const io::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("trainer: each optimizer has its keys, with PyTorch's defaults") {
  const std::vector<Tensor> p = {zeros(2).requires_grad_()};
  const auto adam = optimizer("name = 'adam'").make(p);
  const auto& a = dynamic_cast<optim::AdamOptions&>(adam->defaults());
  CHECK((a.lr() == 1e-3 && a.eps() == 1e-8 && a.weight_decay() == 0 && !a.amsgrad()));
  CHECK(a.betas() == std::tuple(0.9, 0.999));
  CHECK(adam->size() == 1);
  const auto adamw = optimizer("name = 'adamw'\nlr = 0.5\nbetas = [0, 0.5]\neps = 1\namsgrad = true").make(p);
  const auto& w = dynamic_cast<optim::AdamWOptions&>(adamw->defaults());
  CHECK((w.lr() == 0.5 && w.eps() == 1 && w.weight_decay() == 0.01 && w.amsgrad()));
  CHECK(w.betas() == std::tuple(0.0, 0.5));
  const auto rmsprop = optimizer("name = 'rmsprop'\nalpha = 0.5\nmomentum = 0.25\ncentered = true").make(p);
  const auto& r = dynamic_cast<optim::RMSpropOptions&>(rmsprop->defaults());
  CHECK((r.lr() == 0.01 && r.alpha() == 0.5 && r.momentum() == 0.25 && r.centered()));
  const auto adagrad = optimizer("name = 'adagrad'\nlr_decay = 0.5\ninitial_accumulator_value = 1").make(p);
  const auto& g = dynamic_cast<optim::AdagradOptions&>(adagrad->defaults());
  CHECK((g.lr() == 0.01 && g.lr_decay() == 0.5 && g.initial_accumulator_value() == 1 && g.eps() == 1e-10));
  const auto sgd = optimizer("lr = 0.5\nmomentum = 0.5\nnesterov = true").make(p);
  const auto& s = dynamic_cast<optim::SGDOptions&>(sgd->defaults());
  CHECK((s.lr() == 0.5 && s.momentum() == 0.5 && s.nesterov()));
}

TEST_CASE("trainer: wrong keys of optimizers are found with line and column") {
  CHECK_THAT(optimizer_error("name = 'adam'\nmomentum = 0.9"),
             StartsWith("x.toml:6:1: unknown key 'momentum' in [optimizer]"));
  CHECK_THAT(optimizer_error("name = 'Adam'"),
             StartsWith("x.toml:5:8: 'name' in [optimizer] is \"Adam\": need \"sgd\", "
                        "\"adam\", \"adamw\", \"rmsprop\" or \"adagrad\""));
  CHECK(optimizer_error("name = 'adam'\nbetas = [0.9]") ==
        "x.toml:6:9: 'betas' in [optimizer] has 1 elements: need two");
  CHECK_THAT(optimizer_error("name = 'adam'\nbetas = [0.9, 1]"),
             StartsWith("x.toml:6:15: 'betas[1]' in [optimizer] is 1"));
  CHECK_THAT(optimizer_error("name = 'adamw'\nbetas = 0.9"),
             StartsWith("x.toml:6:9: 'betas' in [optimizer] is a float"));
  CHECK_THAT(optimizer_error("name = 'adamw'\namsgrad = 1"), StartsWith("x.toml:6:11: 'amsgrad' in [optimizer] is an"));
  CHECK_THAT(optimizer_error("name = 'adam'\neps = -1"), StartsWith("x.toml:6:7: 'eps' in [optimizer] is -1"));
  CHECK_THAT(optimizer_error("momentum = 0.9"), StartsWith("x.toml:4:1: missing key 'lr' in [optimizer]"));
}
