#pragma once

/// For programs written for libtorch: includes <backflow/backflow.h> and gives what `namespace torch = backflow;`
/// cannot. Use one or the other.
///
/// - `torch`, `at` and `c10` are namespaces of their own, which a program may add to. `torch::nn`, `torch::optim` and
///   `torch::autograd` are Backflow's: add to `backflow::nn` instead. So `using namespace torch;` followed by
///   `nn::Linear` finds one `nn`, as with libtorch.
/// - The macros TORCH_MODULE, TORCH_CHECK and TORCH_INTERNAL_ASSERT.

#include <optional>

#include <backflow/backflow.h>

namespace torch {

using namespace backflow;  // NOLINT(google-build-using-namespace): this is what the header is for
namespace autograd = backflow::autograd;
namespace nn = backflow::nn;
namespace optim = backflow::optim;
namespace serialize = backflow::serialize;

using std::nullopt;
using std::optional;

}  // namespace torch

namespace at {

using namespace backflow;  // NOLINT(google-build-using-namespace)
using std::nullopt;
using std::optional;

}  // namespace at

namespace c10 {

using namespace backflow;  // NOLINT(google-build-using-namespace)
using std::nullopt;
using std::optional;

}  // namespace c10

/// Declares `Name`, the handle of the module class `NameImpl`.
#define TORCH_MODULE(Name) BACKFLOW_MODULE(Name)

/// Throws Error with the text of the arguments after `condition`, written one after the other, unless it holds.
#define TORCH_CHECK(condition, ...)                                                                         \
  (static_cast<bool>(condition)                                                                             \
       ? void()                                                                                             \
       : ::backflow::detail::fail_check("Expected " #condition " to be true, but got false." __VA_OPT__(, ) \
                                            __VA_ARGS__))

/// The same for what only a bug of the program can make false: the message starts with the place.
#define TORCH_INTERNAL_ASSERT(condition, ...)                                                                       \
  (static_cast<bool>(condition) ? void()                                                                            \
                                : ::backflow::fail(#condition " INTERNAL ASSERT FAILED at " __FILE__ ":", __LINE__, \
                                                   ". " __VA_OPT__(, ) __VA_ARGS__))

namespace backflow::detail {

/// `problem` is the message when there are no `parts`.
template <class... Parts>
[[noreturn]] void fail_check(const char* problem, const Parts&... parts) {
  if constexpr (sizeof...(parts) == 0) {
    fail(problem);
  } else {
    fail(parts...);
  }
}

}  // namespace backflow::detail
