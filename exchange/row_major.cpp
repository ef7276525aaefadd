#include <cstring>

#include <backflow/exchange/row_major.h>

namespace backflow::io::detail {

std::vector<std::byte> row_major_bytes(const Tensor& x) {
  const std::size_t element = x.element_size();
  std::vector<std::byte> result(x.nbytes());
  DimVector index(x.sizes().size(), 0);
  const auto* data = static_cast<const std::byte*>(x.const_data_ptr());
  for (std::size_t done = 0; done < result.size(); done += element) {
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < index.size(); ++d) offset += index[d] * x.strides()[d];
    std::memcpy(result.data() + done, data + offset * static_cast<std::int64_t>(element), element);
    for (std::size_t d = index.size(); d-- > 0 && ++index[d] == x.sizes()[d];) index[d] = 0;
  }
  return result;
}

}  // namespace backflow::io::detail
