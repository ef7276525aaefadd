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
/// Results and tape are those of calling the closures one after the other, to the last bit and sequence number. Each
/// closure has the settings that this thread has now. On one thread, and where the pool may not be used, they do run
/// one after the other. Closures may record, go backward, change tensors of their own in place, checkpoint and call
/// parallel().
///
/// Some actions depend on the order of the closures, and wait until all earlier closures have ended: a draw from a
/// Generator and anything else that reads or sets its state (checkpoint does so unless told not to), packing by
/// SavedTensorHooks, and adding to the grad() of a tensor. So closures that begin with such an action run one after the
/// other. A generator or hooks made inside of the closure wait for nothing.
///
/// When all started closures have ended, the first error in their order is rethrown. Results of the closures after it
/// are lost, and random numbers go on from where the failed one stopped. Nodes that closures record are kept until all
/// have ended.
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
