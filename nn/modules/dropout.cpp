#include <backflow/nn/modules/dropout.h>

#include <ostream>

namespace backflow::nn::detail {

DropoutModule::DropoutModule(const DropoutOptions& options_) : options(options_) {
  check(options.p() >= 0 && options.p() <= 1, "dropout: probability ", options.p(), ": need one in [0, 1]");
}

void DropoutModule::pretty_print(std::ostream& stream) const {
  stream << class_name() << "(p=" << options.p() << ", inplace=" << (options.inplace() ? "true" : "false") << ')';
}

}  // namespace backflow::nn::detail
