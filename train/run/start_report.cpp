#include <backflow/train/run/start_report.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include <backflow/distributed/sampler.h>
#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/dropout.h>

namespace backflow::train {
namespace {

std::string counted(std::int64_t n, const char* one, const char* many) {
  return to_text(with_commas(n), ' ', n == 1 ? one : many);
}

std::string describe_model(const Experiment& experiment, const nn::Module& module) {
  const std::vector<Tensor> parameters = module.parameters();
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters) {
    count += parameter.numel();
  }
  return to_text("model ", experiment.model.name, ": ", counted(count, "parameter", "parameters"), " in ",
                 counted(static_cast<std::int64_t>(parameters.size()), "tensor", "tensors"));
}

std::string describe_steps(const Experiment& experiment, std::int64_t samples, int ranks) {
  const TrainOptions& t = experiment.train;
  distributed::SamplerOptions sampling;
  sampling.dataset_size = samples;
  sampling.batch_size = t.batch_size;
  sampling.drop_last = t.drop_last;
  const std::int64_t steps = distributed::ShardedSampler(sampling).steps_per_epoch();
  const std::int64_t least = t.batch_size / ranks;
  std::string text = to_text(counted(t.epochs, "epoch", "epochs"), " of ", counted(steps, "step", "steps"), ", ",
                             counted(t.batch_size, "sample", "samples"), " a step");
  if (experiment.distributed.reduction == GradientReduction::Reproducible) {
    const std::int64_t shards = experiment.distributed.shards;
    text += to_text(" in ", counted(shards, "shard", "shards"), ": ", with_commas(shards / ranks), " on ",
                    ranks == 1 ? "1 rank" : to_text("each of ", with_commas(ranks), " ranks"));
  } else if (ranks == 1) {
    text += " on 1 rank";
  } else if (t.batch_size % ranks == 0) {
    text += to_text(": ", with_commas(least), " on each of ", with_commas(ranks), " ranks");
  } else {
    text +=
        to_text(": ", with_commas(least), " or ", with_commas(least + 1), " on each of ", with_commas(ranks), " ranks");
  }
  return t.max_steps > 0 ? to_text(text, ", ", with_commas(t.max_steps), " at most") : text;
}

}  // namespace

std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > (number < 0 ? 1 : 0); i -= 3) {
    digits.insert(static_cast<std::size_t>(i), ",");
  }
  return digits;
}

std::string wrapped(const std::string& line, std::size_t width) {
  std::istringstream in(line);
  std::string text;
  std::size_t column = 0;
  for (std::string word; in >> word;) {
    const bool breaks = column > 0 && column + 1 + word.size() > width;
    const std::string before = column == 0 ? "" : breaks ? "\n  " : " ";
    text += before + word;
    column = breaks ? 2 + word.size() : column + before.size() + word.size();
  }
  return text;
}

std::string micro_batches_note(const Model& model, std::int64_t micro_batches) {
  bool normalizes = false;
  bool draws = false;
  for (const std::shared_ptr<nn::Module>& module : model.module->modules()) {
    normalizes = normalizes || dynamic_cast<nn::detail::BatchNormModule*>(module.get()) != nullptr;
    draws = draws || dynamic_cast<nn::detail::DropoutModule*>(module.get()) != nullptr;
  }
  if (micro_batches <= 1 || !(normalizes || draws)) {
    return "";
  }
  const std::string why = normalizes && draws ? "batch norm takes the statistics of each part, and dropout draws anew"
                          : normalizes        ? "batch norm takes the statistics of each part"
                                              : "dropout draws anew for each part";
  return to_text("train.micro_batches = ", micro_batches, " computes something else than whole batches: ", why);
}

namespace {

std::string describe_data(const RunData& data) {
  const DataInfo& info = data.train.info();
  std::string text = to_text("data: ", counted(data.train.size(), "sample", "samples"), " of ", info.sample_shape);
  text +=
      info.target == TargetKind::Class ? " in " + counted(info.classes, "class", "classes") : describe_targets(info);
  if (data.validation != nullptr) {
    text += ", " + with_commas(data.validation->size()) + " for validation";
  }
  return data.test != nullptr ? text + ", " + with_commas(data.test->size()) + " for testing" : text;
}

}  // namespace

std::string start_report(const Experiment& experiment, const Model& model, const RunData& data, int ranks,
                         const Platform& platform) {
  std::vector<std::string> lines = {describe_model(experiment, *model.module), describe_data(data),
                                    describe_steps(experiment, data.train.size(), ranks)};
  lines.insert(lines.end(), platform.nodes.begin(), platform.nodes.end());
  lines.push_back("instruction sets: " + platform.place.instruction_sets);
  if (const std::string note = micro_batches_note(model, experiment.train.micro_batches); !note.empty()) {
    lines.push_back("note: " + note);
  }
  std::string text;
  for (const std::string& line : lines) {
    text += (text.empty() ? "" : "\n") + wrapped(line);
  }
  return text;
}

}  // namespace backflow::train
