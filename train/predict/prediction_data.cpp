#include <backflow/train/predict/prediction_data.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include <backflow/io/datasets/csv.h>
#include <backflow/train/data/load_data.h>

namespace backflow::train {
namespace {

/// The names of the columns of a CSV file.
std::vector<std::string> columns_of(const DataOptions& options, const std::string& path) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;
  std::vector<std::string> names;
  for (const io::CsvColumn& column : io::read_csv(path, {.separator = options.separator,
                                                        .header = options.header,
                                                        .most_bytes = kMostBytes,
                                                        .kept_columns = std::vector<std::string>()})
                                         .columns) {
    names.push_back(column.name);
  }
  return names;
}

/// Puts `file` in the place of the test data.
void replace_test_data(DataOptions& options, const std::string& file) {
  const std::string path = std::filesystem::absolute(file).string();
  if (!std::filesystem::exists(path)) {
    throw io::ConfigError(file + ": no such file: need data of format \"" + options.format + "\"");
  }
  options.test_file = path;
  options.test_folder = path;
  options.test_images = path;
}

/// The samples alone: no targets, no changes at random, nothing split off.
DataOptions without_targets(const Experiment& e, const std::string& file) {
  DataOptions options = e.data;
  options.validation = 0;
  options.validation_file.clear();
  options.validation_folder.clear();
  options.augment = {};
  if (!file.empty()) {
    replace_test_data(options, file);
  }
  if (options.format != "text") {
    options.target = "input";
  }
  if (options.missing == "drop") {
    options.missing = "error";  // each row of the predictions belongs to the sample of its number
  }
  if (options.format == "csv") {
    const std::vector<std::string> columns = columns_of(options, options.path(options.test_file));
    const auto is_missing = [&](const std::string& name) {
      return std::find(columns.begin(), columns.end(), name) == columns.end();
    };
    std::erase_if(options.target_columns, is_missing);
    std::erase_if(options.ignore_columns, is_missing);
  }
  return options;
}

/// What targets are in training: what the task and the configuration say, or else the usual of the format.
TargetKind target_kind(const Experiment& e) {
  const std::string& task = e.task.name;
  const std::string& target = e.data.target;
  const std::string& format = e.data.format;
  if (format == "text") {
    return TargetKind::Tokens;
  }
  if (target == "class" || task == "classification" || (target == "auto" && !e.data.class_names.empty())) {
    return TargetKind::Class;
  }
  if (target == "labels" || task == "multi_label") {
    return TargetKind::Labels;
  }
  if (target == "input" || task == "autoencoder") {
    return TargetKind::Input;
  }
  if (target == "values" || task == "regression" || format == "csv") {
    return TargetKind::Values;
  }
  if (format == "hdf5" || format == "numpy") {
    e.data.section.fail("target",
                        "'target' in [data] is \"auto\": need --set data.target=class, or another, to predict without "
                        "targets");
  }
  return TargetKind::Class;
}

/// The model of a dump, which says itself how many outputs it has.
Model model_of_dump(const Experiment& e, const DataInfo& samples, const io::Dump& dump) {
  const bool is_tokens = samples.sample_dtype == kInt64;
  ModelRequest request{.sample_shape = samples.sample_shape,
                       .vocabulary = is_tokens ? samples.classes : 0,
                       .dtype = e.train.dtype,
                       .copies = 1};
  if (e.model.name == "layers") {
    request.any_output = true;
  } else if (const std::int64_t outputs = saved_outputs(e.model, request, dump.parameters); outputs > 0) {
    request.output_shape = {outputs};
  }
  return build_model(e.model, request);
}

/// What the samples and the outputs are, as the task has to know it.
DataInfo info_of(const Experiment& e, const DataInfo& samples, const Model& model) {
  DataInfo info = samples;
  info.target = target_kind(e);
  if (info.target == TargetKind::Class) {
    info.classes = model.classes;
    info.class_names = e.data.class_names;
    info.target_shape = {};
  } else if (info.target == TargetKind::Values || info.target == TargetKind::Labels) {
    info.target_shape = {model.classes};
    info.target_names = e.data.target_columns;
  }
  return info;
}

}  // namespace

PredictionSetup set_up_prediction(const Experiment& e, const io::Dump& dump, const std::string& file) {
  LoadedData data =
      load_data(without_targets(e, file), e.train.dtype, static_cast<std::uint64_t>(e.seed), DataPurpose::Evaluation);
  if (!data.test) {
    e.data.section.fail("test_file", "no test data in [data]: need --data FILE to predict");
  }
  Model model = model_of_dump(e, data.test->info(), dump);
  std::shared_ptr<const Task> task = Task::make(e.task, info_of(e, data.test->info(), model));
  return {*std::move(data.test), std::move(task), std::move(model)};
}

}  // namespace backflow::train
