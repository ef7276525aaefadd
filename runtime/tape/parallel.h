#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow {

/// Calls all closures at the same time, on the pool of threads.h, and returns their results in order:
///
///   std::vector<Tensor> y = parallel({[&] { return left(x); }, [&] { return right(x); }});
///   auto [loss, steps] = parallel([&] { return model.loss(x); }, [&] { return count(x); });
///
/// The first form is for tensors of any shapes and dtypes, the second for two or more closures with results of any
/// types that can be moved.
///
/// What comes out is, to the last bit and the last sequence number of the tape, that of calling one after the other,
/// each with the settings that this thread has now. On one thread, and where the pool may not be used, that is what
/// happens. Closures may record, go backward, change tensors of their own in place, checkpoint and call parallel().
///
/// What the order shows in waits until all closures before it have ended: a draw from a Generator and anything else
/// that reads or sets its state (checkpoint does so unless told not to), packing by SavedTensorHooks, and adding to the
/// grad() of a tensor. A closure that does this early runs alone from there on; one whose generator or hooks were made
/// in it does not wait.
///
/// The first error in the order of the closures is rethrown here when all that had been started have ended; what the
/// closures after it did is lost, and random numbers go on from where the failed one was. Nodes that closures record
/// are kept until all have ended.
///
/// Thread-safe. Closures must not change what another uses, nor wait for each other: how many run at once is not
/// promised. One that draws must not hold a lock that an earlier one needs.
std::vector<Tensor> parallel(const std::vector<std::function<Tensor()>>& closures);

namespace detail {
/// Calls body(i) for every i in [0, count) as `parallel` calls its closures.
void run_parallel(std::size_t count, FunctionRef<void(std::size_t)> body);
}  // namespace detail

template <std::invocable... Closures>
requires(sizeof...(Closures) >= 2 &&
         (!std::is_void_v<std::invoke_result_t<Closures&>> && ...)) auto parallel(Closures&&... closures) {
  std::tuple<std::optional<std::decay_t<std::invoke_result_t<Closures&>>>...> results;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    detail::run_parallel(sizeof...(Closures), [&](std::size_t index) {
      static_cast<void>(((index == I && (std::get<I>(results).emplace(closures()), true)) || ...));
    });
  }
  (std::index_sequence_for<Closures...>());
  return std::apply([](auto&... result) { return std::tuple(std::move(*result)...); }, results);
}

}  // namespace backflow
