#include <backflow/train/model/parameter_budget.h>

#include <sys/sysinfo.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include <backflow/runtime/base/error.h>

namespace backflow::train {
namespace {

std::string gibibytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g GiB", bytes / (1 << 30));
  return text;
}

}  // namespace

double memory_of_machine() {
  struct sysinfo info {};
  ::sysinfo(&info);
  double bytes = static_cast<double>(info.totalram + info.totalswap) * info.mem_unit;
  // Of control groups, version 2 and 1; "max" is no number.
  for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    double limit = 0;
    if (std::ifstream(file) >> limit && limit > 0) {
      bytes = std::min(bytes, limit);
    }
  }
  return bytes;
}

ParameterBudget::ParameterBudget(ScalarType dtype, std::int64_t copies, double bytes)
    : element_bytes_(static_cast<double>(element_size(dtype))),
      bytes_of_each_(element_bytes_ * static_cast<double>(copies)),
      bytes_(bytes) {}

std::string ParameterBudget::check_result(IntArrayRef shape) const {
  double bytes = element_bytes_;
  for (std::size_t d = 1; d < shape.size(); ++d) {
    bytes *= static_cast<double>(shape[d]);
  }
  if (bytes <= bytes_) {
    return "";
  }
  return to_text("the result of shape ", shape, " takes ", gibibytes(bytes), " for one sample: need at most the ",
                 gibibytes(bytes_), " of this machine");
}

std::string ParameterBudget::take(double count) {
  count_ += count;
  if (count_ * bytes_of_each_ <= bytes_) {
    return "";
  }
  char parameters[32];
  std::snprintf(parameters, sizeof parameters, "%.15g", count_);
  return to_text(
      "with this layer the model has ", parameters, " parameters, which take ", gibibytes(count_ * bytes_of_each_),
      " with their gradients and the optimizer's state: need at most the ", gibibytes(bytes_), " of this machine");
}

}  // namespace backflow::train
