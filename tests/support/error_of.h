#pragma once

#include <string>

#include <backflow/runtime/base/error.h>

namespace backflow::test {

/// The message of the backflow::Error that `f` throws; "no error" if it throws none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace backflow::test
