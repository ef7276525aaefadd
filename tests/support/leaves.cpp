#include <backflow/tests/support/leaves.h>

namespace backflow::test {

Tensor leaf(std::initializer_list<NestedNumbers> values) { return tensor(values, requires_grad()); }

}  // namespace backflow::test
