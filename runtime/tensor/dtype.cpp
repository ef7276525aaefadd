#include <backflow/runtime/tensor/dtype.h>

#include <array>
#include <ostream>
#include <string_view>

namespace backflow {
namespace {

struct Names {
  const char* short_name;
  const char* name;
  const char* alias;
};

constexpr std::array<Names, 7> kNames = {{
    {"bool", "bool", "bool"},
    {"u8", "uint8", "byte"},
    {"i32", "int32", "int"},
    {"i64", "int64", "long"},
    {"bf16", "bfloat16", "bfloat16"},
    {"f32", "float32", "float"},
    {"f64", "float64", "double"},
}};

}  // namespace

const char* short_name(ScalarType dtype) { return kNames[static_cast<std::size_t>(dtype)].short_name; }

const char* name(ScalarType dtype) { return kNames[static_cast<std::size_t>(dtype)].name; }

ScalarType dtype_from_name(const char* name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (std::string_view(name) == kNames[i].name || std::string_view(name) == kNames[i].alias) {
      return static_cast<ScalarType>(i);
    }
  }
  fail("dtype: unknown name '", name, "': need one of bool, uint8, int32, int64, bfloat16, float32, float64");
}

std::ostream& operator<<(std::ostream& out, ScalarType dtype) { return out << name(dtype); }

}  // namespace backflow
