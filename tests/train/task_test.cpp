// Losses and metrics of tasks, against values worked out by hand or by plain loops.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/data/data_info.h>
#include <backflow/train/task/task.h>

using namespace backflow;
using namespace backflow::train;

namespace {

TaskOptions options(const std::string& lines) {
  const io::Config config = io::Config::parse("[task]\n" + lines, "task.toml");
  return read_task(config.section("task"));
}

DataInfo info_of(TargetKind kind, std::int64_t classes, DimVector target_shape) {
  return {.sample_shape = {2},
          .sample_dtype = kFloat64,
          .target = kind,
          .classes = classes,
          .target_shape = std::move(target_shape),
          .class_names = {},
          .feature_names = {},
          .target_names = {}};
}

/// What the task measures on batches, one after the other, as evaluate() does.
Evaluation measure(const Task& task, const std::vector<std::pair<Tensor, Tensor>>& outputs_and_targets) {
  DataMeasure data;
  for (const auto& [output, target] : outputs_and_targets) {
    const Batch batch{.x = output, .target = target, .weight = {}};
    const BatchMeasure part = task.measure(output, batch, task.loss_sum(output, batch).item<double>());
    data.parts.push_back(part.parts);
    data.counts.resize(part.counts.size());
    for (std::size_t i = 0; i < part.counts.size(); ++i) {
      data.counts[i] += part.counts[i];
    }
    data.samples += output.size(0);
  }
  return task.summary(data);
}

Tensor doubles(std::initializer_list<NestedNumbers> values) { return tensor(values, kFloat64); }

Tensor classes(std::vector<std::int64_t> values) { return tensor(values, kInt64); }

std::string error_of(const std::string& lines, const DataInfo& data) {
  try {
    Task::make(options(lines), data);
  } catch (const io::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("task: a classification counts hits, the k best, and pairs of classes") {
  const auto task = Task::make(options("top_k = [2]"), info_of(TargetKind::Class, 3, {}));
  CHECK(task->name() == "classification");
  CHECK(task->output_shape() == DimVector{3});
  const Tensor first = doubles({{3.0, 1.0, 2.0}, {0.0, 5.0, 1.0}, {2.0, 2.0, 1.0}});
  const Tensor second = doubles({{0.0, 2.0, 1.0}});
  // Predicted: 0, 1, 0 (of equal scores the first), then 1.
  const Evaluation e = measure(*task, {{first, classes({0, 2, 1})}, {second, classes({2})}});
  CHECK(e.samples == 4);
  CHECK(e.metric("accuracy") == 0.25);
  CHECK(e.metric("top2") == 1.0);
  const std::vector<std::vector<std::int64_t>> pairs = {{1, 0, 0}, {1, 0, 0}, {0, 2, 0}};
  CHECK(e.confusion == pairs);
  CHECK(e.classes[0].recall == 1);
  CHECK(e.classes[0].precision == 0.5);
  CHECK(e.classes[0].f1 == 2.0 / 3);
  CHECK(e.classes[2].samples == 2);
  CHECK(e.classes[2].predicted == 0);
  CHECK(e.metric("precision") == 0.5 / 3);
  CHECK(e.metric("recall") == 1.0 / 3);
  double loss = 0;
  const double scores[4][3] = {{3, 1, 2}, {0, 5, 1}, {2, 2, 1}, {0, 2, 1}};
  const int target[] = {0, 2, 1, 2};
  for (int i = 0; i < 4; ++i) {
    loss += std::log(std::exp(scores[i][0]) + std::exp(scores[i][1]) + std::exp(scores[i][2])) - scores[i][target[i]];
  }
  CHECK_THAT(e.loss(), WithinRel(loss / 4, 1e-12));
}

TEST_CASE("task: macro means leave out classes that occur nowhere") {
  const auto task = Task::make(options(""), info_of(TargetKind::Class, 3, {}));
  const Evaluation e = measure(*task, {{doubles({{1.0, 0.0, 0.0}, {0.0, 1.0, 0.0}}), classes({0, 1})}});
  CHECK(e.metric("f1") == 1);
}

TEST_CASE("task: label smoothing, weights and targets that are probabilities") {
  const auto plain = Task::make(options(""), info_of(TargetKind::Class, 2, {}));
  const auto smooth = Task::make(options("label_smoothing = 0.2"), info_of(TargetKind::Class, 2, {}));
  const Tensor output = doubles({{1.0, 0.0}, {0.0, 3.0}});
  const double a = std::log(1 + std::exp(-1.0));
  const double b = std::log(1 + std::exp(-3.0));
  const Batch batch{.x = {}, .target = classes({0, 1}), .weight = {}};
  CHECK_THAT(plain->loss_sum(output, batch).item<double>(), WithinRel(a + b, 1e-12));
  CHECK_THAT(smooth->loss_sum(output, batch).item<double>(),
             WithinRel(0.9 * a + 0.1 * (a + 1) + 0.9 * b + 0.1 * (b + 3), 1e-12));
  const Batch weighted{.x = {}, .target = classes({0, 1}), .weight = doubles({2.0, 0.5})};
  CHECK_THAT(plain->loss_sum(output, weighted).item<double>(), WithinRel(2 * a + 0.5 * b, 1e-12));
  const Batch soft{.x = {}, .target = doubles({{0.75, 0.25}, {0.0, 1.0}}), .weight = {}};
  CHECK_THAT(plain->loss_sum(output, soft).item<double>(), WithinRel(0.75 * a + 0.25 * (a + 1) + b, 1e-12));
}

TEST_CASE("task: tokens are classes at every place of a sequence") {
  DataInfo info = info_of(TargetKind::Tokens, 2, {2});
  const auto task = Task::make(options(""), info);
  CHECK(task->output_shape() == DimVector{2, 2});
  const Tensor output = doubles({{{1.0, 0.0}, {0.0, 1.0}}});
  const Evaluation e = measure(*task, {{output, tensor({{0, 0}}, kInt64)}});
  CHECK(e.metric("accuracy") == 0.5);
  const double right = std::log(1 + std::exp(-1.0));
  CHECK_THAT(e.loss(), WithinRel((right + right + 1) / 2, 1e-12));
}

TEST_CASE("task: a regression has the errors and the explained variance of all samples") {
  for (const auto& [lines, loss] : {std::pair("", 5.0 / 4), {"loss = 'l1'", 3.0 / 4}, {"loss = 'huber'", 2.0 / 4}}) {
    const auto task = Task::make(options(lines), info_of(TargetKind::Values, 0, {1}));
    CHECK(task->name() == "regression");
    const Tensor t = doubles({{1.0}, {2.0}, {3.0}, {6.0}});
    const Tensor y = doubles({{1.0}, {3.0}, {3.0}, {4.0}});
    const Evaluation whole = measure(*task, {{y, t}});
    const Evaluation parts =
        measure(*task, {{y.narrow(0, 0, 3), t.narrow(0, 0, 3)}, {y.narrow(0, 3, 1), t.narrow(0, 3, 1)}});
    for (const Evaluation& e : {whole, parts}) {
      CHECK_THAT(e.metric("mae"), WithinRel(0.75, 1e-12));
      CHECK_THAT(e.metric("mse"), WithinRel(1.25, 1e-12));
      CHECK_THAT(e.metric("rmse"), WithinRel(std::sqrt(1.25), 1e-12));
      CHECK_THAT(e.metric("r2"), WithinRel(1 - 5.0 / 14, 1e-12));
    }
    CHECK(task->headline() == "r2");
    if (std::string(lines) != "loss = 'huber'") {
      CHECK_THAT(whole.loss(), WithinRel(loss, 1e-12));
    } else {  // squares below 1, lines above: 0.5 and 1.5
      CHECK_THAT(whole.loss(), WithinRel(2.0 / 4, 1e-12));
    }
  }
}

TEST_CASE("task: r2 holds for targets far from zero, which sums of squares would not bear") {
  const auto task = Task::make(options(""), info_of(TargetKind::Values, 0, {1}));
  const double far = 1e9;
  const Evaluation e = measure(*task, {{doubles({{far + 1}, {far + 2}}), doubles({{far + 1}, {far + 3}})},
                                       {doubles({{far + 5}}), doubles({{far + 5}})}});
  CHECK_THAT(e.metric("r2"), WithinRel(1 - 1.0 / 8, 1e-9));
}

TEST_CASE("task: targets without the last dimension of size 1 are those of outputs with it") {
  const auto task = Task::make(options(""), info_of(TargetKind::Values, 0, {}));
  const Batch batch{.x = {}, .target = doubles({1.0, 2.0}), .weight = doubles({1.0, 3.0})};
  CHECK(task->loss_sum(doubles({{2.0}, {4.0}}), batch).item<double>() == 13);
  CHECK_THROWS_WITH(task->loss_sum(doubles({{2.0, 1.0}, {4.0, 1.0}}), batch),
                    StartsWith("task: outputs f64[2, 2] for"));
}

TEST_CASE("task: labels are counted one by one and together") {
  const auto task = Task::make(options("threshold = 0.6"), info_of(TargetKind::Labels, 0, {2}));
  CHECK(task->name() == "multi_label");
  // 0.5 is below the threshold, 0.73 is not.
  const Tensor output = doubles({{1.0, -1.0}, {0.0, 1.0}, {-2.0, -2.0}});
  const Evaluation e = measure(*task, {{output, doubles({{1.0, 0.0}, {1.0, 1.0}, {0.0, 1.0}})}});
  CHECK(e.metric("exact_match") == 1.0 / 3);
  CHECK(e.metric("accuracy") == 4.0 / 6);
  CHECK(e.classes[0].recall == 0.5);
  CHECK(e.classes[0].precision == 1);
  CHECK(e.classes[1].f1 == 2.0 / 3);
  CHECK_THAT(task->predict(output).const_data_ptr<double>()[2], WithinRel(0.5, 1e-12));
}

TEST_CASE("task: an autoencoder's target is the sample") {
  const auto task = Task::make(options(""), info_of(TargetKind::Input, 0, {2}));
  CHECK(task->name() == "autoencoder");
  const Tensor x = doubles({{0.0, 1.0}, {1.0, 1.0}});
  const Batch batch{.x = x, .target = {}, .weight = {}};
  CHECK(task->loss_sum(doubles({{1.0, 1.0}, {1.0, 3.0}}), batch).item<double>() == 2.5);
  const auto bce = Task::make(options("name = 'autoencoder'\nloss = 'bce'"), info_of(TargetKind::Class, 3, {}));
  CHECK_THAT(bce->loss_sum(doubles({{0.0, 0.0}, {0.0, 0.0}}), batch).item<double>(),
             WithinRel(2 * std::log(2.0), 1e-12));
  const Tensor output = doubles({{0.0, 0.0}, {0.0, 0.0}});
  DataMeasure data{.parts = {bce->measure(output, batch, 0).parts}, .counts = {}, .samples = 2};
  CHECK(bce->summary(data).metric("mse") == 0.25);
}

TEST_CASE("task: what does not fit the data is an error at its key") {
  CHECK(error_of("name = 'regression'", info_of(TargetKind::Class, 3, {})) ==
        "task.toml:2:8: 'name' in [task] is \"regression\", the targets of the data are class: need "
        "\"classification\", or other targets");
  CHECK(error_of("loss = 'bce'", info_of(TargetKind::Values, 0, {1})) ==
        "task.toml:2:8: 'loss' in [task] is \"bce\" for a task \"regression\": need \"mse\" or \"l1\" or \"huber\"");
  CHECK_THAT(error_of("label_smoothing = 0.1", info_of(TargetKind::Values, 0, {1})),
             StartsWith("task.toml:2:19: 'label_smoothing' in [task]: has no meaning for a task \"regression\""));
  CHECK(error_of("label_smoothing = 0.0", info_of(TargetKind::Values, 0, {1})).empty());  // as resolved ones have it
}
