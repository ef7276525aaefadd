#include <backflow/train/loop/initial_values.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>

#include <backflow/io/tensor_file.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/train/loop/name_pattern.h>

namespace backflow::train {
namespace {

bool converts(ScalarType from, ScalarType to) {
  return from == to || (is_floating_point(from) && is_floating_point(to));
}

/// Whether the file has the statistics that this counter belongs to. PyTorch before 0.4.1, and so torchvision's older
/// files, lacks the counter; PyTorch then lets it start from 0, too.
bool is_counter_of_older_file(const std::string& name, const std::map<std::string, Tensor>& given) {
  constexpr std::string_view kCounter = "num_batches_tracked";
  if (!name.ends_with(kCounter)) {
    return false;
  }
  const std::string layer = name.substr(0, name.size() - kCounter.size());
  return given.contains(layer + "running_mean") && given.contains(layer + "running_var");
}

void add_list(std::string& text, const char* what, const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 20;
  if (names.empty()) {
    return;
  }
  text += to_text("\n  ", what, " (", names.size(), "): ");
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kMost) {
    text += to_text(" and ", names.size() - kMost, " more");
  }
}

}  // namespace

std::string InitReport::text(const std::string& file) const {
  std::string text = to_text("start from ", file, ": ", loaded.size(), loaded.size() == 1 ? " tensor" : " tensors",
                             " loaded", is_complete() ? ", all that there are" : "");
  add_list(text, "converted", converted);
  add_list(text, "missing in the file", missing);
  add_list(text, "unexpected, not in the model", unexpected);
  add_list(text, "mismatched", mismatched);
  add_list(text, "excluded", excluded);
  return text;
}

InitReport load_initial_values(const io::NamedTensors& tensors, const std::vector<std::string>& exclude,
                               const nn::Module& module) {
  const NoGradGuard no_grad;
  const std::map<std::string, Tensor> given(tensors.begin(), tensors.end());
  std::set<std::string> known;
  InitReport report;
  for (const auto& named : {module.named_parameters(), module.named_buffers()}) {
    for (const auto& item : named) {
      const std::string& name = item.key();
      const Tensor& value = item.value();
      known.insert(name);
      const auto found = given.find(name);
      if (matches_any(name, exclude)) {
        report.excluded.push_back(name);
      } else if (found == given.end()) {
        if (!is_counter_of_older_file(name, given)) {
          report.missing.push_back(name);
        }
      } else if (found->second.sizes() != value.sizes() ||
                 !converts(found->second.scalar_type(), value.scalar_type())) {
        report.mismatched.push_back(to_text(name, ": ", describe(value), ", in the file ", describe(found->second)));
      } else {
        if (found->second.scalar_type() != value.scalar_type()) {
          report.converted.push_back(to_text(name, " from ", found->second.scalar_type()));
        }
        value.copy_(to(found->second, value.scalar_type()));
        report.loaded.push_back(name);
      }
    }
  }
  for (const auto& [name, value] : tensors) {
    if (!known.contains(name)) {
      report.unexpected.push_back(name);
    }
  }
  return report;
}

void check_initial_file(const InitOptions& options) {
  std::error_code error;
  if (!options.file.empty() && !std::filesystem::is_regular_file(options.file, error)) {
    options.section.fail("file", to_text("'file' in [init]: no such file: ", options.file,
                                         ": need a dump, or another file with parameters"));
  }
}

InitReport load_initial_values(const InitOptions& options, const nn::Module& module) {
  check_initial_file(options);
  InitReport report = load_initial_values(io::read_tensors(options.file), options.exclude, module);
  if (report.loaded.empty()) {
    options.section.fail(
        "file", to_text("'file' in [init]: nothing in ", options.file, " fits the model: ", report.text(options.file),
                        "\nneed parameters with the model's names and shapes"));
  }
  if (options.strict && !report.is_complete()) {
    options.section.fail("strict", to_text("'strict' in [init]: ", report.text(options.file),
                                           "\nneed a file that fits, or strict = false"));
  }
  return report;
}

}  // namespace backflow::train
