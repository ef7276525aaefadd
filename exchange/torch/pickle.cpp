#include <bit>
#include <iomanip>
#include <sstream>

#include <backflow/exchange/torch/pickle_internal.h>
#include <backflow/exchange/zip/zip_format_internal.h>

// The opcodes are those of Python's pickletools, by their names there.
namespace backflow::io::detail {
namespace {

constexpr std::size_t kMostValues = 1'000'000;
constexpr unsigned kNewestProtocol = 5;

std::string opcode_text(unsigned char opcode) {
  std::ostringstream out;
  out << "0x" << std::hex << std::setw(2) << std::setfill('0') << unsigned{opcode};
  if (opcode > ' ' && opcode < 0x7f) out << " ('" << static_cast<char>(opcode) << "')";
  return out.str();
}

}  // namespace

void Unpickler::fail_here(const std::string& problem) const {
  fail(where_, ": offset ", opcode_at_, ": ", problem,
       ": need the pickle of a state dictionary; hint: torch.save(model.state_dict(), ...)");
}

std::string_view Unpickler::bytes(std::size_t count) {
  if (count > text_.size() - at_) fail_here("truncated pickle");
  at_ += count;
  return text_.substr(at_ - count, count);
}

std::uint64_t Unpickler::number(std::size_t count) { return zip::number_at(bytes(count), 0, count); }

std::string Unpickler::line() {
  constexpr std::size_t kLongest = 1000;
  const std::size_t end = text_.substr(at_, kLongest).find('\n');
  if (end == std::string_view::npos) fail_here("a name without an end");
  std::string result(bytes(end));
  bytes(1);
  return result;
}

PickleRef Unpickler::add(PickleValue value) {
  if (pickle_.values.size() >= kMostValues) fail_here(to_text("more than ", kMostValues, " values"));
  pickle_.values.push_back(std::move(value));
  return static_cast<PickleRef>(pickle_.values.size() - 1);
}

PickleRef Unpickler::top() const {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail_here("a value is missing");
  return stack_.back();
}

PickleRef Unpickler::pop() {
  const PickleRef ref = top();
  stack_.pop_back();
  return ref;
}

std::vector<PickleRef> Unpickler::pop_to_mark() {
  if (marks_.empty()) fail_here("a mark is missing");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleRef> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void Unpickler::push_last(std::size_t count) {
  std::vector<PickleRef> items(count);
  for (std::size_t i = count; i-- > 0;) items[i] = pop();
  push_tuple(std::move(items));
}

void Unpickler::memorize(std::uint64_t index) {
  if (memo_.size() >= kMostValues) fail_here(to_text("more than ", kMostValues, " values to remember"));
  memo_[index] = top();
}

void Unpickler::recall(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) fail_here(to_text("value ", index, " is asked for and was never stored"));
  stack_.push_back(found->second);
}

void Unpickler::append(const std::vector<PickleRef>& items, Kind kind) {
  PickleValue& target = pickle_.values[top()];
  const bool fits = target.kind == kind && (kind == Kind::List || items.size() % 2 == 0);
  if (!fits) fail_here(kind == Kind::List ? "appends to what is no list" : "sets items of what is no dictionary");
  if (kind == Kind::Dict) {
    for (std::size_t i = 0; i < items.size(); i += 2) {
      const Kind key = pickle_[items[i]].kind;
      if (key != Kind::Text && key != Kind::Int) fail_here("a key that is neither text nor an integer");
    }
  }
  target.items.insert(target.items.end(), items.begin(), items.end());
}

// Two's complement of any length; longer than 64 bits are only compared with the magic number of old files.
void Unpickler::push_long(std::size_t length) {
  const std::string_view digits = bytes(length);
  if (length > 8) return push({Kind::BigInt, 0, 0.0, std::string(digits), {}});
  std::uint64_t value = zip::number_at(digits, 0, length);
  const bool negative = length > 0 && (static_cast<unsigned char>(digits.back()) & 0x80U) != 0;
  if (negative && length < 8) value |= ~std::uint64_t{0} << 8 * length;
  push({Kind::Int, static_cast<std::int64_t>(value), 0.0, {}, {}});
}

bool Unpickler::run_number(unsigned char opcode) {
  const auto push_integer = [&](std::int64_t value) { push({Kind::Int, value, 0.0, {}, {}}); };
  switch (opcode) {
    case 'N':  // NONE
      push({});
      return true;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      push({Kind::Bool, opcode == 0x88 ? 1 : 0, 0.0, {}, {}});
      return true;
    case 'K':  // BININT1
      push_integer(static_cast<std::int64_t>(number(1)));
      return true;
    case 'M':  // BININT2
      push_integer(static_cast<std::int64_t>(number(2)));
      return true;
    case 'J':  // BININT
      push_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(number(4))));
      return true;
    case 0x8a:  // LONG1
      push_long(number(1));
      return true;
    case 'G': {  // BINFLOAT, big-endian
      std::uint64_t bits = 0;
      for (const char byte : bytes(8)) bits = bits << 8 | static_cast<unsigned char>(byte);
      push({Kind::Float, 0, std::bit_cast<double>(bits), {}, {}});
      return true;
    }
    default:
      return false;
  }
}

bool Unpickler::run_text(unsigned char opcode) {
  switch (opcode) {
    case 'X':  // BINUNICODE
      push_text(number(4));
      return true;
    case 0x8c:  // SHORT_BINUNICODE
      push_text(number(1));
      return true;
    default:
      return false;
  }
}

bool Unpickler::run_container(unsigned char opcode) {
  switch (opcode) {
    case ')':  // EMPTY_TUPLE
      push_tuple({});
      return true;
    case ']':  // EMPTY_LIST
    case '}':  // EMPTY_DICT
      push({opcode == ']' ? Kind::List : Kind::Dict, 0, 0.0, {}, {}});
      return true;
    case '(':  // MARK
      if (marks_.size() >= kMostValues) fail_here(to_text("more than ", kMostValues, " open marks"));
      marks_.push_back(stack_.size());
      return true;
    case 't':  // TUPLE
      push_tuple(pop_to_mark());
      return true;
    case 0x85:  // TUPLE1 to TUPLE3
    case 0x86:
    case 0x87:
      push_last(opcode - 0x84U);
      return true;
    case 'a':  // APPEND
      append({pop()}, Kind::List);
      return true;
    case 'e':  // APPENDS
      append(pop_to_mark(), Kind::List);
      return true;
    case 's': {  // SETITEM
      const PickleRef value = pop();
      const PickleRef key = pop();
      append({key, value}, Kind::Dict);
      return true;
    }
    case 'u':  // SETITEMS
      append(pop_to_mark(), Kind::Dict);
      return true;
    default:
      return false;
  }
}

bool Unpickler::run_memo(unsigned char opcode) {
  switch (opcode) {
    case 'q':  // BINPUT
      memorize(number(1));
      return true;
    case 'r':  // LONG_BINPUT
      memorize(number(4));
      return true;
    case 0x94:  // MEMOIZE
      memorize(memo_.size());
      return true;
    case 'h':  // BINGET
      recall(number(1));
      return true;
    case 'j':  // LONG_BINGET
      recall(number(4));
      return true;
    default:
      return false;
  }
}

bool Unpickler::run_call(unsigned char opcode) {
  switch (opcode) {
    case 'c': {  // GLOBAL
      const std::string module = line();
      push_global(module + "." + line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const PickleRef name = pop();
      const PickleRef module = pop();
      if (pickle_[name].kind != Kind::Text || pickle_[module].kind != Kind::Text) fail_here("a name that is no text");
      push_global(pickle_[module].text + "." + pickle_[name].text);
      return true;
    }
    case 'R':  // REDUCE
      call();
      return true;
    case 0x81:  // NEWOBJ
      make_object();
      return true;
    case 'b':  // BUILD
      build();
      return true;
    case 'Q':  // BINPERSID
      refer_to_storage();
      return true;
    default:
      return false;
  }
}

Pickle Unpickler::read() {
  pickle_ = {};
  stack_.clear();
  marks_.clear();
  memo_.clear();
  storages_.clear();
  while (true) {
    opcode_at_ = at_;
    const auto opcode = static_cast<unsigned char>(number(1));
    if (opcode == '.') break;  // STOP
    if (opcode == 0x80) {      // PROTO
      if (number(1) > kNewestProtocol) fail_here("a newer pickle protocol than 5");
    } else if (opcode == 0x95) {  // FRAME
      number(8);
    } else if (!run_number(opcode) && !run_text(opcode) && !run_container(opcode) && !run_memo(opcode) &&
               !run_call(opcode)) {
      fail_here("the opcode " + opcode_text(opcode) + " is not allowed");
    }
  }
  if (stack_.size() != 1 || !marks_.empty()) fail_here(to_text(stack_.size(), " values at the end"));
  pickle_.root = stack_.back();
  return std::move(pickle_);
}

}  // namespace backflow::io::detail
