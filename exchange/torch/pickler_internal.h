#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <backflow/exchange/element_type.h>

namespace backflow::io::detail {

/// Writes the opcodes of a pickle of protocol 2, by their names in Python's pickletools.
class Pickler {
 public:
  void text(std::string_view value);  // BINUNICODE
  void integer(std::int64_t value);   // BININT1, BININT, LONG1
  void number(double value);          // BINFLOAT
  void truth(bool value);             // NEWTRUE, NEWFALSE
  void integers(IntArrayRef values);  // a tuple
  void empty_ordered_dict();          // REDUCE
  void opcodes(std::string_view codes) { text_ += codes; }
  /// A tensor whose row-major elements are those of the storage of this number.
  void tensor(const Tensor& x, ElementType type, std::size_t storage);
  const std::string& result() const { return text_; }

 private:
  void global(std::string_view module, std::string_view name);  // GLOBAL
  void dotted_global(std::string_view name);

  std::string text_ = std::string("\x80\x02", 2);  // PROTO
};

/// The tensors of a file, each with the number of its storage; those that are the same elements have the same.
class TorchStorages {
 public:
  std::size_t number_of(const Tensor& x);
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  std::map<std::tuple<const void*, std::int64_t, ScalarType>, std::size_t> numbers_;
  std::vector<Tensor> tensors_;
};

}  // namespace backflow::io::detail
