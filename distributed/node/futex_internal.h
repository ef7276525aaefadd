#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace backflow::distributed {

/// Sleeps while `word` is `value`, for `limit` at most. May return early. Works between processes that share the word.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t value, std::chrono::nanoseconds limit) noexcept;
/// Wakes all that sleep on `word`.
void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept;

}  // namespace backflow::distributed
