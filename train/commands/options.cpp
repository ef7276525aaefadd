#include <backflow/train/commands/options.h>

#include <algorithm>
#include <map>

#include <CLI/CLI.hpp>

#include <backflow/train/usage.h>

namespace backflow::train {
namespace {

/// An option whose value is one of these words.
template <class T>
void add_choice(CLI::App* command, const std::string& name, T& value, const std::map<std::string, T>& choices,
                const std::string& description) {
  std::vector<std::string> words;
  words.reserve(choices.size());
  for (const auto& [word, choice] : choices) {
    words.push_back(word);
  }
  const auto check = [words](const std::string& word) -> std::string {
    const bool known = std::find(words.begin(), words.end(), word) != words.end();
    return known ? "" : "'" + word + "': need " + join(words, " or ");
  };
  command
      ->add_option_function<std::string>(
          name, [&value, choices](const std::string& word) { value = choices.at(word); }, description)
      ->check(check, "")
      ->type_name("WORD");
}

}  // namespace

void add_config_source(CLI::App* command, ConfigSource& source) {
  command->add_option("CONFIG", source.file, "TOML file of the experiment")->required();
  add_overrides(command, source.overrides, "replace one key, as in train.epochs=2; may be repeated");
}

void add_overrides(CLI::App* command, std::vector<std::string>& overrides, const std::string& description) {
  command->add_option("--set", overrides, description)->allow_extra_args(false)->type_name("KEY=VALUE");
}

void add_placement(CLI::App* command, RankRequest& place) {
  command->add_option("--threads", place.threads, "computing threads of each rank; its part of the cores unless given")
      ->check(CLI::Range(1, 1024));
  add_choice<ThreadBinding>(
      command, "--bind", place.binding,
      {{"auto", ThreadBinding::Auto}, {"cores", ThreadBinding::Cores}, {"none", ThreadBinding::None}},
      "'cores' binds a thread to each core, 'none' none; 'auto', the default, those of a rank that has its cores "
      "alone");
  add_choice<MemoryPolicy>(command, "--memory", place.memory,
                           {{"auto", MemoryPolicy::Auto}, {"local", MemoryPolicy::Local}},
                           "'local' leaves memory where it is touched first; 'auto', the default, interleaves it when "
                           "a rank spans NUMA nodes");
}

std::string not_empty(const std::string& text) { return text.empty() ? "need a name, not an empty one" : ""; }

}  // namespace backflow::train
