#pragma once

#include <string_view>
#include <type_traits>

namespace backflow {

/// A string argument of an operator: a literal, std::string or std::string_view, which has to outlive the call. Unlike
/// std::string_view it does not convert from 0 or {0, 0}, so these choose the overload that takes numbers.
class Text {
 public:
  template <class T>
  requires std::is_convertible_v<const T&, std::string_view> Text(const T& text)
      : text_(text) {}                                 // NOLINT(google-explicit-constructor)
  operator std::string_view() const { return text_; }  // NOLINT(google-explicit-constructor)

 private:
  std::string_view text_;
};

}  // namespace backflow
