#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <backflow/distributed/communicator.h>
#include <backflow/runtime/base/error.h>

namespace backflow::train {

/// A failure that every rank knows of: each throws the same, at the same place, and none waits for another. So rank 0
/// alone says it, and the job ends in order, with `exit_code()` of exit_code.h.
class SharedFailure : public Error {
 public:
  SharedFailure(const std::string& message, int exit_code) : Error(message), exit_code_(exit_code) {}
  int exit_code() const noexcept { return exit_code_; }

 private:
  int exit_code_;
};

/// Calls `body` on every rank and waits until all have. If it throws on any, throws SharedFailure on all: with the text
/// of the first rank that failed, and which ranks these are unless all failed alike. The exit code is that of a wrong
/// configuration for an io::ConfigError. `body` must not make collective calls that a failing rank would miss.
/// Collective.
void run_on_all_ranks(distributed::Communicator& world, const std::function<void()>& body);

/// The same for a `body` with a result.
template <class Body>
std::invoke_result_t<Body> on_all_ranks(distributed::Communicator& world, const Body& body) {
  if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
    run_on_all_ranks(world, body);
  } else {
    std::optional<std::invoke_result_t<Body>> result;
    run_on_all_ranks(world, [&] { result.emplace(body()); });
    return *std::move(result);
  }
}

/// Calls `body` on rank 0 and waits until it has; what it throws, all throw. Collective.
void run_on_rank_0(distributed::Communicator& world, const std::function<void()>& body);

/// What `body` returns. Says in which step it failed, unless the message tells that already, or all ranks have it.
template <class Body>
auto in_step(std::int64_t step, const Body& body) {
  try {
    return body();
  } catch (const SharedFailure&) {
    throw;
  } catch (const distributed::RanksDisagree&) {
    throw;
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw Error(text.starts_with("communicator: ") ? text : to_text("step ", step, ": ", text));
  }
}

}  // namespace backflow::train
