#include <backflow/tests/support/leaves.h>

#include <utility>

#include <backflow/tests/support/arrays.h>

namespace backflow::test {

Tensor leaf(std::initializer_list<NestedNumbers> values) { return tensor(values, requires_grad()); }

Tensor leaf(const char* key, std::vector<std::int64_t> sizes) {
  Tensor x = random_tensor(std::move(sizes), key, kFloat64, 0.3, 2);
  x.requires_grad_();
  return x;
}

}  // namespace backflow::test
