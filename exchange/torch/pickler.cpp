#include <bit>

#include <backflow/exchange/torch/pickler_internal.h>
#include <backflow/exchange/torch/torch_names_internal.h>
#include <backflow/exchange/zip/zip_format_internal.h>

namespace backflow::io::detail {

void Pickler::global(std::string_view module, std::string_view name) {
  text_ += 'c';
  text_.append(module).append("\n").append(name).append("\n");
}

void Pickler::dotted_global(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  global(name.substr(0, dot), name.substr(dot + 1));
}

void Pickler::text(std::string_view value) {
  text_ += 'X';
  zip::append(text_, value.size(), 4);
  text_ += value;
}

void Pickler::integer(std::int64_t value) {
  const bool is_byte = value >= 0 && value <= 0xff;
  const bool is_int = value >= INT32_MIN && value <= INT32_MAX;
  text_ += is_byte ? "K" : is_int ? "J" : "\x8a\x08";
  zip::append(text_, static_cast<std::uint64_t>(value), is_byte ? 1 : is_int ? 4 : 8);
}

void Pickler::number(double value) {
  text_ += 'G';
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int shift = 56; shift >= 0; shift -= 8) text_ += static_cast<char>(bits >> shift);  // big-endian
}

void Pickler::truth(bool value) { text_ += value ? '\x88' : '\x89'; }

void Pickler::integers(IntArrayRef values) {
  text_ += '(';  // MARK
  for (const std::int64_t value : values) integer(value);
  text_ += 't';  // TUPLE
}

void Pickler::empty_ordered_dict() {
  dotted_global(kOrderedDict);
  text_ += ")R";  // EMPTY_TUPLE, REDUCE
}

void Pickler::tensor(const Tensor& x, ElementType type, std::size_t storage) {
  dotted_global(kRebuildTensor);
  opcodes("((");  // the arguments, and first of them the storage's
  text("storage");
  global("torch", torch_storage_name(type));
  text(std::to_string(storage));
  text("cpu");
  integer(x.numel());
  opcodes("tQ");  // TUPLE, BINPERSID
  integer(0);     // offset
  integers(x.sizes());
  integers(contiguous_strides(x.sizes()));
  truth(false);  // requires no gradient
  empty_ordered_dict();
  opcodes("tR");
}

std::size_t TorchStorages::number_of(const Tensor& x) {
  if (x.is_contiguous() && x.numel() > 0) {
    const auto [found, is_new] =
        numbers_.emplace(std::tuple(x.const_data_ptr(), x.numel(), x.scalar_type()), tensors_.size());
    if (!is_new) return found->second;
  }
  tensors_.push_back(x);
  return tensors_.size() - 1;
}

}  // namespace backflow::io::detail
