#include <backflow/nn/modules/gelu.h>

#include <ostream>

#include <backflow/ops/functions.h>

namespace backflow::nn {

Tensor functional::gelu(const Tensor& input, const GELUFuncOptions& options) {
  return backflow::gelu(input, options.approximate());
}

void GELUImpl::pretty_print(std::ostream& stream) const {
  stream << name() << "(approximate='" << options.approximate() << "')";
}

}  // namespace backflow::nn
