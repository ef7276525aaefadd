#pragma once

// Lists of element-wise functions, which their loops are instantiated from.

#include <cstddef>
#include <type_traits>

namespace backflow::kernels::functions {

/// Bases of functions, which say whose numbers these take: a function has a loop of T where kTakes<T>. For integers and
/// truth values it then needs a static function `of(x...)`, for float and double a form (vector_forms.h).
struct OfReals {
  template <class T>
  static constexpr bool kTakes = std::is_floating_point_v<T>;
};
struct OfIntegers {  // and truth values
  template <class T>
  static constexpr bool kTakes = !std::is_floating_point_v<T>;
};
struct OfNumbers {
  template <class T>
  static constexpr bool kTakes = !std::is_same_v<T, bool>;
};
struct OfAll {
  template <class T>
  static constexpr bool kTakes = true;
};

/// A list of functions. Their order means nothing.
template <class... Fs>
struct List {
  /// Whether F is listed, and once.
  template <class F>
  static constexpr bool kHas = (std::size_t{std::is_same_v<F, Fs>} + ... + 0) == 1;

  template <class F>
  static constexpr std::size_t index_of() {
    const bool is_it[] = {std::is_same_v<F, Fs>...};
    std::size_t i = 0;
    while (!is_it[i]) {
      ++i;
    }
    return i;
  }
};

template <class... Lists>
struct Joined;
template <class... Fs>
struct Joined<List<Fs...>> {
  using Type = List<Fs...>;
};
template <class... Fs, class... Gs, class... Lists>
struct Joined<List<Fs...>, List<Gs...>, Lists...> : Joined<List<Fs..., Gs...>, Lists...> {};

/// The functions of several lists.
template <class... Lists>
using Join = typename Joined<Lists...>::Type;

/// One function of a list, as a value: `functions::Exp{}` converts to a Choice<UnaryFunctions>, and nothing else does.
template <class FunctionList>
class Choice {
 public:
  template <class F>
  requires(FunctionList::template kHas<F>) constexpr Choice(F)
      : index_(FunctionList::template index_of<F>()) {}  // NOLINT(google-explicit-constructor)

  constexpr std::size_t index() const { return index_; }
  friend constexpr bool operator==(Choice, Choice) = default;

 private:
  std::size_t index_;
};

}  // namespace backflow::kernels::functions
