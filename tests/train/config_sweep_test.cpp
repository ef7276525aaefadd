// Every key that the schema knows: it is documented, and every wrong value of it is an error at its line.
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/io/schema.h>
#include <backflow/train/experiment.h>

#include <backflow/tests/catch2.h>

using namespace backflow;
using namespace backflow::train;
using io::KeyKind;
using io::KeyVariant;
using io::SchemaKey;

namespace {

std::string message_of(const std::string& text) {
  try {
    Experiment::read(io::Config::parse(text, "x.toml"));
  } catch (const io::ConfigError& error) {
    return error.what();
  }
  return "";
}

/// A configuration in which the key exists, as lines.
std::vector<std::string> lines_with(const KeyVariant& variant) {
  const io::Config blank = io::Config::blank(variant.forced());
  try {
    Experiment::read(blank);
  } catch (const io::ConfigError&) {  // of values that are of the right type, and no more
  }
  std::istringstream text(blank.resolved());
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(line == "use = \"text\"" ? "use = \"NAME\"" : line);  // the block that there is
  }
  return lines;
}

/// Where the key is in such lines: their number if it is nowhere.
std::size_t line_of(const std::vector<std::string>& lines, const SchemaKey& key) {
  std::string wanted = key.table();
  for (std::size_t at = wanted.find("[]"); at != std::string::npos; at = wanted.find("[]")) wanted.erase(at, 2);
  std::string table;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with('[')) {
      const std::size_t first = lines[i].find_first_not_of('[');
      table = lines[i].substr(first, lines[i].find(']') - first);
    } else if (table == wanted && lines[i].starts_with(key.name() + " = ")) {
      return i;
    }
  }
  return lines.size();
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// Numbers that a range does not accept, as TOML.
std::vector<std::string> outside(const io::IntegerRange& range) {
  std::vector<std::string> values;
  if (range.at_least > std::numeric_limits<std::int64_t>::min()) values.push_back(std::to_string(range.at_least - 1));
  if (range.at_most < std::numeric_limits<std::int64_t>::max()) values.push_back(std::to_string(range.at_most + 1));
  return values;
}

std::vector<std::string> outside(const io::NumberRange& range) {
  std::vector<std::string> values;
  const auto add = [&](double x) {
    std::ostringstream text;
    text.precision(17);
    text << std::scientific << x;
    values.push_back(text.str());
  };
  if (!range.infinite_or_nan) values.insert(values.end(), {"nan", "inf", "-inf"});
  if (std::isfinite(range.at_least)) add(range.at_least - std::max(1.0, std::abs(range.at_least)));
  if (std::isfinite(range.at_most)) add(range.at_most + std::max(1.0, std::abs(range.at_most)));
  if (std::isfinite(range.above)) add(range.above);
  if (std::isfinite(range.below)) add(range.below);
  return values;
}

std::vector<std::string> in_arrays(std::vector<std::string> values) {
  for (std::string& value : values) value = "[" + value + "]";
  return values;
}

/// Values of the wrong type, or out of range.
std::vector<std::string> wrong_values(const KeyVariant& variant) {
  std::vector<std::string> values = {"1979-05-27", "{a = 1}", "[[1]]"};
  const auto add = [&](const std::vector<std::string>& more) { values.insert(values.end(), more.begin(), more.end()); };
  switch (variant.kind) {
    case KeyKind::String:
      add({"3", "0.5", "true", "[\"a\"]"});
      break;
    case KeyKind::Integer:
      add({"\"word\"", "1.5", "true", "[\"a\"]"});
      add(outside(variant.integers));
      break;
    case KeyKind::Number:
      add({"\"word\"", "true", "[\"a\"]"});
      add(outside(variant.numbers));
      break;
    case KeyKind::Boolean:
      add({"\"true\"", "1", "0.0", "[true]"});
      break;
    case KeyKind::Choice:
      add({"\"no such word\"", "\"\"", "3", "true"});
      break;
    case KeyKind::Strings:
      add({"3", "\"word\"", "[3]", "[\"a\", true]"});
      break;
    case KeyKind::Integers:
      add({"\"word\"", "[\"a\"]", "[1.5]", "[true]"});
      add(in_arrays(outside(variant.integers)));
      break;
    case KeyKind::Numbers:
      add({"\"word\"", "[\"a\"]", "[true]"});
      add(in_arrays(outside(variant.numbers)));
      break;
    case KeyKind::Choices:
      add({"\"word\"", "[\"no such word\"]", "[3]"});
      break;
    default:
      break;
  }
  return values;
}

/// Calls f(key, variant, lines, line) for each key in a configuration that has it.
template <class F>
void for_each_key(F&& f) {
  for (const SchemaKey& key : Experiment::schema().keys()) {
    for (const KeyVariant& variant : key.variants) {
      if (key.is_table()) continue;
      const std::vector<std::string> lines = lines_with(variant);
      const std::size_t line = line_of(lines, key);
      CAPTURE(key.path, join(lines));
      REQUIRE(line < lines.size());
      f(key, variant, lines, line);
    }
  }
}

/// Whether one of the lines of a message is at this line of the file, about this key.
bool names(const std::string& message, std::size_t line, const std::string& key) {
  std::istringstream lines(message);
  for (std::string one; std::getline(lines, one);) {
    if (one.starts_with(to_text("x.toml:", line + 1, ":")) && one.find("'" + key) != std::string::npos &&
        one.find(": need ") != std::string::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("config sweep: every key and every table has a sentence", "[train]") {
  CHECK(Experiment::schema().keys().size() > 60);
  for (const SchemaKey& key : Experiment::schema().keys()) {
    for (const KeyVariant& variant : key.variants) {
      CAPTURE(key.path);
      CHECK((!variant.sentence.empty() || key.name() == "NAME"));
      // A sentence continues a line: no capital letter by grammar, no full stop.
      CHECK_FALSE(variant.sentence.ends_with('.'));
    }
  }
}

TEST_CASE("config sweep: every wrong type and every value out of range is an error at its line", "[train]") {
  std::size_t count = 0;
  for_each_key(
      [&](const SchemaKey& key, const KeyVariant& variant, const std::vector<std::string>& lines, std::size_t line) {
        for (const std::string& value : wrong_values(variant)) {
          std::vector<std::string> changed = lines;
          changed[line] = key.name() + " = " + value;
          const std::string message = message_of(join(changed));
          CAPTURE(key.path, value, message);
          CHECK(names(message, line, key.name()));
          ++count;
        }
      });
  CHECK(count > 500);
}

TEST_CASE("config sweep: a key that is misspelt is an error at its line, and a missing one at its table", "[train]") {
  for_each_key([&](const SchemaKey& key, const KeyVariant& variant, const std::vector<std::string>& lines,
                   std::size_t line) {
    CAPTURE(key.path);
    std::vector<std::string> changed = lines;
    changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(line), key.name() + "xq = 1");
    const std::string message = message_of(join(changed));
    CAPTURE(message);
    CHECK_THAT(message, ContainsSubstring(to_text("x.toml:", line + 1, ":1: unknown key '", key.name(), "xq' in ")));
    if (variant.required) {
      changed = lines;
      changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(line));
      CHECK_THAT(message_of(join(changed)), ContainsSubstring(": missing key '" + key.name() + "' in "));
    }
  });
}

TEST_CASE("config sweep: the JSON schema and the Markdown tables have every key", "[train]") {
  const std::string json = io::schema_json(Experiment::schema());
  const std::string markdown = io::schema_markdown(Experiment::schema());
  for (const SchemaKey& key : Experiment::schema().keys()) {
    CAPTURE(key.path);
    if (key.name() == "NAME") continue;
    CHECK_THAT(json, ContainsSubstring("\"" + key.name() + "\": {"));
    CHECK((key.is_table() || markdown.find("| `" + key.name() + "` |") != std::string::npos));
  }
}
