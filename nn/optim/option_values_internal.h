#pragma once

#include <backflow/nn/archive/input_archive.h>
#include <backflow/nn/archive/output_archive.h>

namespace backflow::optim::detail {

/// Reads an option if the archive has it. Throws Error for a value of another kind.
inline void read_option(serialize::InputArchive& archive, const char* name, double& option) {
  if (IValue value; archive.try_read(name, value)) {
    option = value.toDouble();
  }
}
inline void read_option(serialize::InputArchive& archive, const char* name, bool& option) {
  if (IValue value; archive.try_read(name, value)) {
    option = value.toBool();
  }
}

}  // namespace backflow::optim::detail
