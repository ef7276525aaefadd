#include <backflow/train/run/agreement.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <sstream>
#include <string_view>

#include <backflow/runtime/base/error.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/run/rank_list.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

// Between names and values that are sent; TOML escapes control characters, paths hardly have any.
constexpr char kAfterName = '\x1f';
constexpr char kAfterValue = '\x1e';

std::string packed(const Facts& facts) {
  std::string text;
  for (const auto& [name, value] : facts) {
    text += name + kAfterName + value + kAfterValue;
  }
  return text;
}

Facts unpacked(const std::string& text) {
  Facts facts;
  std::istringstream in(text);
  for (std::string name, value; std::getline(in, name, kAfterName) && std::getline(in, value, kAfterValue);) {
    facts.emplace_back(name, value);
  }
  return facts;
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

std::vector<std::string> elements(const std::string& array) {
  std::vector<std::string> parts;
  for (std::size_t begin = 1; begin < array.size();) {
    const std::size_t end = std::min(array.find(", ", begin), array.size() - 1);
    parts.push_back(array.substr(begin, end - begin));
    begin = end + 2;
  }
  return parts;
}

/// Every name that some rank has, in the order in which they come up.
std::vector<std::string> names_of(const std::vector<Facts>& by_rank) {
  std::vector<std::string> names;
  for (const Facts& facts : by_rank) {
    for (const auto& fact : facts) {
      if (std::find(names.begin(), names.end(), fact.first) == names.end()) {
        names.push_back(fact.first);
      }
    }
  }
  return names;
}

/// "0.05 on rank 0, 0.06 on ranks 1-3"; empty when all ranks have the same.
std::string values_by_rank(const std::vector<Facts>& by_rank, const std::string& name) {
  constexpr std::size_t kMostValues = 4;
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  for (std::size_t rank = 0; rank < by_rank.size(); ++rank) {
    const std::string& value = value_of(by_rank[rank], name);
    auto group =
        std::find_if(groups.begin(), groups.end(), [&](const auto& other) { return same_value(other.first, value); });
    if (group == groups.end()) {
      group = groups.insert(groups.end(), {value, {}});
    }
    group->second.push_back(static_cast<int>(rank));
  }
  std::string text;
  for (std::size_t i = 0; groups.size() > 1 && i < groups.size(); ++i) {
    if (i == kMostValues) {
      return text + to_text(" and ", groups.size() - i, " other values elsewhere");
    }
    text += to_text(i == 0 ? "" : ", ", shown(groups[i].first), " on ", rank_list(groups[i].second));
  }
  return text;
}

}  // namespace

const std::string& value_of(const Facts& facts, const std::string& name) {
  static const std::string none;
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const auto& fact) { return fact.first == name; });
  return found == facts.end() ? none : found->second;
}

bool same_value(const std::string& a, const std::string& b) {
  if (a == b) {
    return true;
  }
  if (a.starts_with('[') && b.starts_with('[')) {
    const std::vector<std::string> x = elements(a);
    const std::vector<std::string> y = elements(b);
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), same_value);
  }
  // A double does not hold every integer.
  const std::optional<std::int64_t> n = number<std::int64_t>(a);
  const std::optional<std::int64_t> m = number<std::int64_t>(b);
  const std::optional<double> x = number<double>(a);
  return n && m ? n == m : x && x == number<double>(b);
}

std::string shown(const std::string& value) {
  constexpr std::size_t kMost = 100;
  if (value.empty()) {
    return "not given";
  }
  return value.size() <= kMost ? value : value.substr(0, kMost - 3) + "...";
}

std::string describe_differences(const std::vector<Facts>& by_rank) {
  constexpr int kMostNames = 8;
  std::string text;
  int found = 0;
  // Ranks that agree to the letter are the rule, and there may be thousands of them.
  if (std::all_of(by_rank.begin(), by_rank.end(), [&](const Facts& facts) { return facts == by_rank.front(); })) {
    return text;
  }
  for (const std::string& name : names_of(by_rank)) {
    const std::string values = values_by_rank(by_rank, name);
    if (!values.empty() && ++found <= kMostNames) {
      text += to_text(found == 1 ? "" : "; ", name, " is ", values);
    }
  }
  return found <= kMostNames ? text : text + to_text("; and ", found - kMostNames, " more");
}

std::string differences_between_ranks(distributed::Communicator& world, const Facts& own) {
  std::vector<Facts> by_rank;
  for (const std::string& text : world.all_gather(packed(own))) {
    by_rank.push_back(unpacked(text));
  }
  return describe_differences(by_rank);
}

void check_ranks_agree(distributed::Communicator& world, const Facts& own) {
  const std::string differences = differences_between_ranks(world, own);
  if (!differences.empty()) {
    throw SharedFailure(to_text("ranks differ: ", differences, ": need the same on all ranks"), kWrongUsage);
  }
}

}  // namespace backflow::train
