#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <backflow/exchange/byte_stream.h>
#include <backflow/exchange/element_type.h>

namespace backflow::io::detail {

/// Whether the elements in the file are those of the tensor, byte for byte, so that they can be read in place.
bool is_verbatim(ElementType type, ByteOrder order);

/// Reads `count` elements into the row-major tensor `to`, from its element `first` on; see decode_elements().
void read_elements(ByteStream& stream, ElementType type, ByteOrder order, std::int64_t count, const Tensor& to,
                   std::int64_t first);

/// A part of a file, with a name of its own for messages.
class PartStream final : public ByteStream {
 public:
  PartStream(const InputFile& file, std::uint64_t offset, std::uint64_t bytes, std::string where)
      : part_(file, offset, bytes), where_(std::move(where)) {}
  void read(void* data, std::size_t bytes) override { part_.read(data, bytes); }
  std::uint64_t left() const override { return part_.left(); }
  const std::string& where() const override { return where_; }

 private:
  FileStream part_;
  std::string where_;
};

}  // namespace backflow::io::detail
