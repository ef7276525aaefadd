#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <backflow/exchange/element_type.h>

namespace backflow::io::detail {

/// The number of a value in Pickle::values. Values refer to each other by number, so that neither cycles nor deep
/// nesting matter when they are freed.
using PickleRef = std::uint32_t;

struct PickleValue {
  enum class Kind : std::uint8_t { None, Bool, Int, BigInt, Float, Text, Tuple, List, Dict, Global, Storage, Tensor };
  Kind kind = Kind::None;
  std::int64_t integer = 0;      ///< of Bool and Int; the index of a Storage or Tensor
  double number = 0.0;           ///< of Float
  std::string text;              ///< of Text; "module.name" of a Global; the bytes of a BigInt
  std::vector<PickleRef> items;  ///< of Tuple and List; of a Dict key, value, key, value ...
  bool is_object = false;        ///< a Dict: the attributes of a module of TorchScript
};

/// The elements that tensors share: PyTorch's storage. They lie elsewhere in the file, under `key`.
struct PickleStorage {
  ElementType type = ElementType::Float32;
  std::string key;
  std::int64_t numel = 0;
};

/// A tensor: a view of a storage, inside of it as checked.
struct PickleTensor {
  std::size_t storage = 0;  ///< its index
  std::int64_t offset = 0;  ///< in elements, as the strides
  DimVector sizes;
  DimVector strides;
  bool requires_grad = false;
};

/// What a pickle holds.
struct Pickle {
  std::deque<PickleValue> values;
  std::vector<PickleStorage> storages;
  std::vector<PickleTensor> tensors;
  PickleRef root = 0;

  const PickleValue& operator[](PickleRef ref) const { return values[ref]; }
};

/// Reads the pickles of PyTorch's state dictionaries, and no others. A pickle is a program that may call any function
/// of Python. This reader knows the opcodes that build numbers, text, tuples, lists and dictionaries, and some calls
/// that it does itself: collections.OrderedDict, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter, the
/// references to storages, and the lists of torch.jit._pickle. An object of TorchScript, whose class is in __torch__,
/// is a dictionary of its attributes: its code is not looked at. It looks nothing up and runs nothing. Any other opcode
/// or name is an Error that says which. Memory is at most some hundred times the pickle's bytes, and a million values.
class Unpickler {
 public:
  /// `text` and `where`, which starts messages, must outlive this object.
  Unpickler(std::string_view text, const std::string& where) : text_(text), where_(where) {}
  /// Reads the pickle at the present position, up to its end.
  Pickle read();
  /// Behind the last pickle.
  std::size_t position() const { return at_; }

 private:
  using Kind = PickleValue::Kind;

  [[noreturn]] void fail_here(const std::string& problem) const;
  std::string_view bytes(std::size_t count);
  std::uint64_t number(std::size_t count);
  std::string line();
  PickleRef add(PickleValue value);
  void push(PickleValue value) { stack_.push_back(add(std::move(value))); }
  void push_text(std::size_t length) { push({Kind::Text, 0, 0.0, std::string(bytes(length)), {}}); }
  PickleRef pop();
  PickleRef top() const;
  std::vector<PickleRef> pop_to_mark();
  void push_tuple(std::vector<PickleRef> items) { push({Kind::Tuple, 0, 0.0, {}, std::move(items)}); }
  void push_last(std::size_t count);
  void memorize(std::uint64_t index);
  void recall(std::uint64_t index);
  void append(const std::vector<PickleRef>& items, Kind kind);
  void push_long(std::size_t length);
  void push_global(const std::string& name);

  /// Runs an opcode; false when it is none of its kind.
  bool run_number(unsigned char opcode);
  bool run_text(unsigned char opcode);
  bool run_container(unsigned char opcode);
  bool run_memo(unsigned char opcode);
  bool run_call(unsigned char opcode);

  // Calls, in pickle_calls.cpp.
  void call();
  void build();
  void make_object();
  void refer_to_storage();
  void rebuild_tensor(const std::vector<PickleRef>& arguments);
  const PickleValue& argument(const std::vector<PickleRef>& arguments, std::size_t i, Kind kind) const;
  DimVector dimensions(const PickleValue& value) const;

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  Pickle pickle_;
  std::vector<PickleRef> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint64_t, PickleRef> memo_;
  std::map<std::string, std::size_t> storages_;  // by key
};

}  // namespace backflow::io::detail
