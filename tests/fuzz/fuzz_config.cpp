// Configurations: any text is one that can be read and written again, or a ConfigError. Lines that start with "--set "
// are overrides, the others are the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/io/config.h>

using namespace backflow::io;

namespace {

void read_layers(const Section& s, int depth) {
  if (depth > 4) {
    return;
  }
  for (const Section& layer : s.sections("layers")) {
    if (layer.choice("type", {"linear", "branches"}, "linear") == "linear") {
      layer.integer("units", {.at_least = 1}, 1);
    } else {
      read_layers(layer, depth + 1);
    }
  }
}

/// A reader of each kind.
void read(const Config& config) {
  const Section root = config.root();
  root.string("name", "fuzz");
  root.integer("seed", {.at_least = 0}, 0);
  const Section model = root.section("model");
  model.integers("hidden", {.at_least = 1, .at_most = 1 << 24}, std::vector<std::int64_t>{});
  read_layers(model, 0);
  const Section optimizer = root.section("optimizer");
  optimizer.choice("name", {"sgd", "adam"}, "sgd");
  optimizer.number("lr", {.above = 0}, 0.1);
  optimizer.numbers("betas", {.at_least = 0, .below = 1}, std::vector<double>{});
  optimizer.boolean("nesterov", false);
  optimizer.strings("tags", std::vector<std::string>{});
  optimizer.obsolete("reduction", "fast", "it is always fast");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  std::string text;
  std::vector<std::string> overrides;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("--set ")) {
      overrides.push_back(line.substr(6));
    } else {
      text += line + "\n";
    }
  }
  try {
    const Config config = Config::parse(text, "fuzz.toml", overrides);
    read(config);
    config.check();
    const std::string resolved = config.resolved();
    const Config again = Config::parse(resolved, "resolved.toml");
    read(again);
    if (again.resolved() != resolved) {
      std::abort();
    }
  } catch (const ConfigError&) {
  }
  return 0;
}
