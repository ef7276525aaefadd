#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include <backflow/io/config/tree_internal.h>

// How a reader of a Section turns a value into what it needs, and what it says about one that is something else.

namespace backflow::io::detail {

/// "an integer from 1 to 9", of what a reader accepts.
std::string accepted(const Accepts& accepts);
bool accepts(const IntegerRange& range, std::int64_t x);
bool accepts(const NumberRange& range, double x);
/// Some number of a range.
std::int64_t accepted_integer(const IntegerRange& range);
double accepted_number(const NumberRange& range);

/// A value under a name such as "'hidden[1]' in [model]", with what a reader needs of it. Its functions throw
/// ConfigError for another type, and for a number that is out of range.
struct Reading {
  const ConfigValue& value;
  std::string name;
  std::string need;

  const std::string& string() const;
  std::string choice(const std::vector<std::string>& choices) const;
  bool boolean() const;
  std::int64_t integer(const IntegerRange& range) const;
  double number(const NumberRange& range) const;

  template <class T>
  const T& as() const {
    const T* typed = std::get_if<T>(&value.data);
    if (typed == nullptr) fail_type({});
    return *typed;
  }

  template <class F>
  auto list(F&& read) const {
    std::vector<std::remove_cvref_t<decltype(read(*this))>> result;
    const auto& elements = as<ConfigValue::List>();
    const std::size_t quote = name.find("' in ");
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const std::string element = to_text(name.substr(0, quote), "[", i, "]", name.substr(quote));
      result.push_back(read(Reading{elements[i], element, need}));
    }
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const;
  /// Of another type than the one needed; `meant` tells which spellings (toml_spelling) of a bare word are of that
  /// type.
  [[noreturn]] void fail_type(const std::function<bool(const std::string&)>& meant) const;
};

}  // namespace backflow::io::detail
