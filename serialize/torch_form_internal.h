#pragma once

#include <backflow/exchange/torch/torch_value.h>
#include <backflow/nn/archive/contents.h>

namespace backflow::serialize {

/// What torch.save() would be given for the same thing: a tensor, a list, an OrderedDict by name; for an optimizer or a
/// scheduler the dictionaries, lists and tuples of its state_dict; for other archives a dictionary of all values.
io::TorchValue torch_form(const Contents& contents);

}  // namespace backflow::serialize
