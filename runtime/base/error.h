#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace backflow {

/// A mistake of the caller: wrong shapes, dtypes, values, files. The message follows one grammar, "where: problem
/// (operands): what is needed; hint", and needs no stack trace to be understood. Bugs of Backflow itself are asserts
/// instead.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
  /// libtorch's names for the message.
  std::string msg() const { return what(); }
  const char* what_without_backtrace() const noexcept { return what(); }
};

/// An operation that was cancelled because another part of the same run failed first.
class Cancelled : public Error {
 public:
  using Error::Error;
};

/// The text of all `parts`, written one after the other with operator<<.
template <class... Parts>
std::string to_text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws Error with the text of `parts`.
template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Parts&... parts) {
  throw Error(to_text(parts...));
}

/// Throws Error with the text of `parts` unless `condition` holds. The text is only made when it is needed.
template <class... Parts>
inline void check(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]] {
    fail(parts...);
  }
}

}  // namespace backflow
