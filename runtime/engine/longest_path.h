#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <backflow/runtime/base/typed_index.h>

namespace backflow {

/// For every vertex of an acyclic graph: the length of the longest path that starts there, itself included. No edge may
/// lead to a vertex of a smaller number. `length(i)` is a vertex's own and is asked for once, the last vertex first;
/// `for_successors(i, f)` calls `f(next)` for every edge from i to next.
template <class I, class Length, class ForSuccessors>
auto path_lengths(std::size_t size, const Length& length, const ForSuccessors& for_successors) {
  using T = std::remove_cvref_t<std::invoke_result_t<const Length&, I>>;
  IndexedVector<I, T> lengths(size);
  for (std::size_t n = size; n-- > 0;) {
    const I i(n);
    T behind = 0;
    for_successors(i, [&](I next) { behind = std::max(behind, lengths[next]); });
    lengths[i] = behind + length(i);
  }
  return lengths;
}

/// The length of the longest of them; 0 without any.
template <class I, class T>
T longest(const IndexedVector<I, T>& lengths) {
  return lengths.empty() ? T(0) : *std::max_element(lengths.begin(), lengths.end());
}

}  // namespace backflow
