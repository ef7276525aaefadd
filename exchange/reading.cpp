#include <algorithm>
#include <vector>

#include <backflow/exchange/reading_internal.h>

namespace backflow::io::detail {

bool is_verbatim(ElementType type, ByteOrder order) {
  return type != ElementType::Bool && elements_of_dtype(dtype_of_elements(type)) == type &&
         (order == ByteOrder::Little || element_size(type) == 1);
}

void read_elements(ByteStream& stream, ElementType type, ByteOrder order, std::int64_t count, const Tensor& to,
                   std::int64_t first) {
  const std::size_t size = element_size(type);
  if (count == 0) return;
  if (is_verbatim(type, order)) {
    auto* data = static_cast<std::byte*>(to.mutable_data_ptr()) + static_cast<std::size_t>(first) * size;
    stream.read(data, static_cast<std::size_t>(count) * size);
    return;
  }
  constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  std::vector<std::byte> piece(std::min(kPieceBytes, static_cast<std::size_t>(count) * size));
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t now = std::min<std::int64_t>(count - done, static_cast<std::int64_t>(kPieceBytes / size));
    const std::size_t bytes = static_cast<std::size_t>(now) * size;
    stream.read(piece.data(), bytes);
    decode_elements(type, order, {piece.data(), bytes}, to, first + done, stream.where());
    done += now;
  }
}

}  // namespace backflow::io::detail
