#include <backflow/exchange/npy.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/npy_header.h>
#include <backflow/exchange/reading_internal.h>
#include <backflow/exchange/row_major.h>
#include <backflow/exchange/zip/zip.h>

namespace backflow::io {
namespace {

using detail::read_elements;

/// A row-major tensor of the elements of `x`, which are in column-major order.
Tensor from_column_major(const Tensor& x, IntArrayRef sizes) {
  DimVector strides(sizes.size(), 1);
  for (std::size_t d = 1; d < sizes.size(); ++d) strides[d] = strides[d - 1] * std::max<std::int64_t>(sizes[d - 1], 1);
  const std::vector<std::byte> bytes = detail::row_major_bytes(view_of(x, sizes, strides, 0));
  Tensor result = empty_tensor(sizes, x.scalar_type());
  if (!bytes.empty()) std::memcpy(result.mutable_data_ptr(), bytes.data(), bytes.size());
  return result;
}

/// The entry of an array.
const ZipEntry& entry_of(const ZipReader& archive, const std::string& path, const std::string& name) {
  const ZipEntry* entry = archive.find(name + ".npy");
  if (entry == nullptr) {
    std::string names;
    for (const std::string& known : npz_names(path)) names += (names.empty() ? "" : ", ") + known;
    fail(path, ": no array '", name, "': need one of its arrays: ", names.empty() ? "it has none" : names);
  }
  return *entry;
}

}  // namespace

NpyHeader npy_header(const std::string& path) {
  const InputFile file(path);
  FileStream stream(file);
  return read_npy_header(stream);
}

NpyHeader npz_header(const std::string& path, const std::string& name) {
  const InputFile file(path);
  const ZipReader archive(file);
  return read_npy_header(*archive.open(entry_of(archive, path, name)));
}

Tensor read_npy_data(ByteStream& stream, const NpyHeader& header) {
  const bool turned = header.order == MemoryOrder::ColumnMajor && header.sizes.size() > 1;
  Tensor result = empty_tensor(turned ? IntArrayRef(header.numel()) : IntArrayRef(header.sizes), header.dtype());
  read_elements(stream, header.type, header.byte_order, header.numel(), result, 0);
  return turned ? from_column_major(result, header.sizes) : result;
}

Tensor read_npy(ByteStream& stream) {
  const NpyHeader header = read_npy_header(stream);
  return read_npy_data(stream, header);
}

Tensor read_npy(const std::string& path) {
  const InputFile file(path);
  FileStream stream(file);
  return read_npy(stream);
}

struct NpyArray::Body {
  explicit Body(const std::string& path) : file(path), where(path) {}

  InputFile file;
  std::string where;
  NpyHeader header;
  std::uint64_t offset = 0;  // of the data in the file
  Tensor value;              // defined when the array does not stay in the file
};

NpyArray::NpyArray(std::unique_ptr<Body> body) : body_(std::move(body)) {}
NpyArray::~NpyArray() = default;
NpyArray::NpyArray(NpyArray&&) noexcept = default;
const NpyHeader& NpyArray::header() const { return body_->header; }

NpyArray NpyArray::open(const std::string& path) {
  auto body = std::make_unique<Body>(path);
  FileStream stream(body->file);
  body->header = read_npy_header(stream);
  body->offset = body->file.size() - stream.left();
  if (body->header.order == MemoryOrder::ColumnMajor) body->value = read_npy_data(stream, body->header);
  return NpyArray(std::move(body));
}

NpyArray NpyArray::open(const std::string& path, const std::string& name) {
  auto body = std::make_unique<Body>(path);
  const ZipReader archive(body->file);
  const ZipEntry& entry = entry_of(archive, path, name);
  const std::unique_ptr<ByteStream> stream = archive.open(entry);
  body->where = stream->where();
  body->header = read_npy_header(*stream);
  body->offset = entry.offset + entry.bytes - stream->left();
  const bool stays = entry.method == ZipMethod::Stored && body->header.order == MemoryOrder::RowMajor;
  if (!stays) body->value = read_npy_data(*stream, body->header);
  return NpyArray(std::move(body));
}

void NpyArray::read_rows(std::int64_t first, std::int64_t count, const Tensor& to, std::int64_t element) const {
  const NpyHeader& header = body_->header;
  const std::int64_t rows = header.sizes.empty() ? 0 : header.sizes[0];
  check(first >= 0 && count >= 0 && first <= rows && count <= rows - first, body_->where, ": rows ", first, " to ",
        first + count, ": need some of its ", rows);
  if (count == 0) return;
  const std::int64_t row = header.numel() / rows;
  const std::int64_t elements = count * row;
  check(to.scalar_type() == header.dtype() && to.is_contiguous() && element >= 0 && elements <= to.numel() - element,
        body_->where, ": rows into ", describe(to), " from element ", element, ": need ", header.dtype(),
        " and room for ", elements, " elements");
  if (body_->value.defined()) {
    const std::size_t size = to.element_size();
    const auto* from = static_cast<const std::byte*>(body_->value.const_data_ptr()) + first * row * size;
    std::memcpy(static_cast<std::byte*>(to.mutable_data_ptr()) + element * size, from, elements * size);
    return;
  }
  const std::size_t size = element_size(header.type);
  FileStream stream(body_->file, body_->offset + static_cast<std::uint64_t>(first * row) * size,
                    static_cast<std::uint64_t>(elements) * size);
  read_elements(stream, header.type, header.byte_order, elements, to, element);
}

Tensor NpyArray::rows(std::int64_t first, std::int64_t count) const {
  DimVector sizes = body_->header.sizes;
  const std::int64_t rows = sizes.empty() ? 0 : sizes[0];
  check(first >= 0 && count >= 0 && first <= rows && count <= rows - first, body_->where, ": rows ", first, " to ",
        first + count, ": need some of its ", rows);
  sizes[0] = count;
  Tensor result = empty_tensor(sizes, body_->header.dtype());
  read_rows(first, count, result, 0);
  return result;
}

void write_npy(const std::string& path, const Tensor& x, std::optional<ElementType> floating_point) {
  check(x.defined(), path, ": the tensor is undefined: need one with a value");
  AtomicFile file(path);
  const ElementType type = stored_elements(x, floating_point);
  const EncodedElements elements(x, type);
  const std::string header = detail::npy_header_text(type, x.sizes());
  file.write(header.data(), header.size());
  file.write(elements.bytes().data(), elements.bytes().size());
  file.commit();
}

}  // namespace backflow::io
