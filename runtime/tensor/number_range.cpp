#include <backflow/runtime/tensor/number_range.h>

#include <charconv>
#include <iterator>
#include <string>

#include <backflow/runtime/base/error.h>

namespace backflow::detail {
namespace {

/// 2^bits - 1.
std::uint64_t largest_of(std::size_t bits) { return ~std::uint64_t{0} >> (64 - bits); }

[[noreturn]] void fail_digits(const char* where, const std::string& digits, char kind, std::size_t bits) {
  if (kind == 'f' || kind == 'b') {
    const double largest = kind == 'b' ? 0x1.fep127 : std::numeric_limits<float>::max();
    fail(where, ": number ", digits, " as ", kind == 'b' ? "bf" : "f", bits, ": need one from -", largest, " to ",
         largest, ", or an infinite one");
  }
  if (kind == 'u') {
    fail(where, ": number ", digits, " as u", bits, ": need one from 0 to ", largest_of(bits));
  }
  const std::uint64_t largest = largest_of(bits - 1);
  fail(where, ": number ", digits, " as i", bits, ": need one from -", largest + 1, " to ", largest);
}

}  // namespace

void fail_conversion(const char* where, std::int64_t number, char kind, std::size_t bits) {
  fail_digits(where, std::to_string(number), kind, bits);
}

void fail_conversion(const char* where, double number, char kind, std::size_t bits) {
  char text[32];  // the fewest digits that tell it from every other number
  fail_digits(where, {text, std::to_chars(std::begin(text), std::end(text), number).ptr}, kind, bits);
}

}  // namespace backflow::detail
