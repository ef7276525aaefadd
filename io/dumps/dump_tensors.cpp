#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include <backflow/io/dump.h>
#include <backflow/io/dumps/dump_tensors_internal.h>

namespace backflow::io::detail {
namespace {

// The buffers of PyTorch's normalization layers, which are all the buffers that common models have.
constexpr std::array<std::string_view, 3> kBufferNames{"running_mean", "running_var", "num_batches_tracked"};

bool is_buffer(std::string_view name) {
  const std::string_view leaf = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
  return std::find(kBufferNames.begin(), kBufferNames.end(), leaf) != kBufferNames.end();
}

/// Puts the tensors of a module next to each other: "bn.weight", "bn.bias", "bn.running_mean". Modules keep the order
/// in which they first appear.
void order_by_module(NamedTensors& tensors) {
  std::map<std::string, std::size_t> order;
  const auto module_of = [](const std::string& name) {
    const std::size_t dot = name.rfind('.');
    return dot == std::string::npos ? std::string() : name.substr(0, dot);
  };
  for (const auto& [name, x] : tensors) order.emplace(module_of(name), order.size());
  std::stable_sort(tensors.begin(), tensors.end(), [&](const auto& a, const auto& b) {
    return order.at(module_of(a.first)) < order.at(module_of(b.first));
  });
}

std::string text_of(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

std::int64_t number_of(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const std::string text = text_of(metadata, key);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

}  // namespace

TensorFile read_dump_tensors(const std::string& path) {
  Dump dump = read_dump(path);
  TensorFile result;
  result.tensors = std::move(dump.parameters);
  for (auto& buffer : dump.buffers) result.tensors.push_back(std::move(buffer));
  order_by_module(result.tensors);
  for (const auto& [name, x] : result.tensors) result.types.push_back(elements_of_dtype(x.scalar_type()));
  result.metadata = std::move(dump.metadata);
  if (dump.step > 0) result.metadata["step"] = std::to_string(dump.step);
  if (dump.epoch > 0) result.metadata["epoch"] = std::to_string(dump.epoch);
  for (const auto& [key, text] : {std::pair("config", &dump.config), std::pair("train_data", &dump.train_data),
                                  std::pair("test_data", &dump.test_data)}) {
    if (!text->empty()) result.metadata[key] = *text;
  }
  return result;
}

void write_dump_tensors(const std::string& path, const NamedTensors& tensors,
                        const std::map<std::string, std::string>& metadata, std::optional<ElementType> floating_point) {
  Dump dump;
  for (const auto& [name, x] : tensors) {
    (is_buffer(name) ? dump.buffers : dump.parameters).emplace_back(name, x);
  }
  dump.step = number_of(metadata, "step");
  dump.epoch = number_of(metadata, "epoch");
  dump.config = text_of(metadata, "config");
  dump.train_data = text_of(metadata, "train_data");
  dump.test_data = text_of(metadata, "test_data");
  for (const auto& [key, text] : metadata) {
    const bool has_place = key == "step" || key == "epoch" || key == "config" || key == "train_data" ||
                           key == "test_data" || text.find('\0') != std::string::npos;
    if (!has_place) dump.metadata.emplace(key, text);
  }
  write_dump(path, dump, {.floating_point = floating_point});
}

}  // namespace backflow::io::detail
