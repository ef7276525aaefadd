#pragma once

// One struct for the forms of an operator with one, two and three spatial dimensions:
//
//   template <int N>
//   struct Conv {
//     static constexpr OperatorInfo pattern = {
//         .signature = "conv{N}d(Tensor input, ...) -> Tensor",
//         .doc = "A convolution over {one|two|three} spatial {dimension|dimensions}.",
//         ...
//     };
//     static constexpr OperatorInfo info = in_dimensions<pattern, N>;
//
// The family lists Conv<1>, Conv<2> and Conv<3>. In the texts of a pattern, {N} is the number of dimensions, {sizes}
// their names ("length", "height, width" or "depth, height, width"), and {a|b|c} is a for one dimension, b for two, c
// for three. The last alternative is that of all further dimensions; one may hold placeholders. ops/generate.py reads
// the same notation.

#include <array>
#include <cstddef>
#include <string_view>

#include <backflow/ops/registry.h>

namespace backflow::detail {

/// The length of the text up to the first of `ends` that no braces hold; of all of it if there is none.
constexpr std::size_t length_until(std::string_view text, std::string_view ends) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (depth == 0 && ends.find(text[i]) != std::string_view::npos) {
      return i;
    }
    depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
  }
  return text.size();
}

/// What stands for a placeholder, given without its braces.
constexpr std::string_view replacement(std::string_view placeholder, int dims) {
  constexpr std::string_view kNumbers[] = {"1", "2", "3"};
  constexpr std::string_view kSizes[] = {"length", "height, width", "depth, height, width"};
  if (placeholder == "N") {
    return kNumbers[dims - 1];
  }
  if (placeholder == "sizes") {
    return kSizes[dims - 1];
  }
  std::size_t length = length_until(placeholder, "|");
  for (int i = 1; i < dims && length < placeholder.size(); ++i) {
    placeholder.remove_prefix(length + 1);
    length = length_until(placeholder, "|");
  }
  return placeholder.substr(0, length);
}

/// Writes the pattern with its placeholders replaced to `to`, unless that is null; returns the number of characters.
constexpr std::size_t fill_in(std::string_view pattern, int dims, char* to) {
  std::size_t written = 0;
  while (!pattern.empty()) {
    if (pattern[0] != '{') {
      if (to != nullptr) {
        to[written] = pattern[0];
      }
      ++written;
      pattern.remove_prefix(1);
      continue;
    }
    pattern.remove_prefix(1);
    const std::size_t length = length_until(pattern, "}");
    written += fill_in(replacement(pattern.substr(0, length), dims), dims, to == nullptr ? nullptr : to + written);
    pattern.remove_prefix(length + 1);
  }
  return written;
}

/// A text of the pattern, filled in and ended by a zero. It is a variable, so that pointers to it stay valid.
template <const OperatorInfo& kPattern, const char* OperatorInfo::*kText, int kDims>
inline constexpr auto filled_in = [] {
  std::array<char, fill_in(kPattern.*kText, kDims, nullptr) + 1> text{};
  fill_in(kPattern.*kText, kDims, text.data());
  return text;
}();

template <const OperatorInfo& kPattern, const char* OperatorInfo::*kText, int kDims>
constexpr const char* text_in_dimensions() {
  if constexpr (kPattern.*kText == nullptr) {
    return nullptr;
  } else {
    return filled_in<kPattern, kText, kDims>.data();
  }
}

/// The declaration of the form with so many spatial dimensions.
template <const OperatorInfo& kPattern, int kDims>
inline constexpr OperatorInfo in_dimensions = {
    .signature = text_in_dimensions<kPattern, &OperatorInfo::signature, kDims>(),
    .formula = text_in_dimensions<kPattern, &OperatorInfo::formula, kDims>(),
    .doc = text_in_dimensions<kPattern, &OperatorInfo::doc, kDims>(),
    .dtypes = kPattern.dtypes,
    .node = text_in_dimensions<kPattern, &OperatorInfo::node, kDims>(),
    .inplace = text_in_dimensions<kPattern, &OperatorInfo::inplace, kDims>(),
};

}  // namespace backflow::detail
