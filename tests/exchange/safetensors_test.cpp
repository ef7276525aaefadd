#include <backflow/exchange/safetensors.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/exchange/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;
using backflow::test::values_of;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> 8 * i & 0xff);
  return text + header + data;
}

TensorFile read(const std::string& bytes) {
  return read_safetensors(InputFile(std::as_bytes(std::span(bytes)), "x.safetensors"));
}

std::string refusal(const std::string& header, const std::string& data = "12345678") {
  const std::string error = error_of([&] { read(file_of(header, data)); });
  return error.substr(std::min<std::size_t>(error.size(), std::string("x.safetensors: ").size()));
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets + "]}";
}

}  // namespace

TEST_CASE("safetensors: tensors in the header's order, whatever the order of their data") {
  const TensorFile file = read(file_of(
      "{" + entry("b", "I16", "2", "4,8") + ",\"__metadata__\":{\"a\":\"1\"}," + entry("a", "U8", "2,2", "0,4") + "} ",
      std::string("\1\2\3\4\5\0\6\0", 8)));
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors[0].first == "b");
  CHECK(values_of<std::int32_t>(file.tensors[0].second) == std::vector<std::int32_t>{5, 6});
  CHECK(values_of<std::uint8_t>(file.tensors[1].second) == std::vector<std::uint8_t>{1, 2, 3, 4});
  CHECK(file.metadata == std::map<std::string, std::string>{{"a", "1"}});
  CHECK(read(file_of("{}", "")).tensors.empty());
}

TEST_CASE("safetensors: headers that lie") {
  const std::string good = entry("a", "F32", "2", "0,8");
  CHECK(refusal("{" + entry("a", "F32", "1", "0,4") + "," + entry("b", "F32", "2", "0,8") + "}") ==
        "'b' starts at byte 0 of the data, inside of another tensor: need 4");
  CHECK(refusal("{" + entry("a", "F32", "1", "4,8") + "}") == "'a' starts at byte 4 of the data, behind a gap: need 0");
  CHECK(refusal("{" + entry("a", "F32", "1", "0,4") + "}") ==
        "4 bytes behind the last tensor: need a file that ends there");
  CHECK(refusal("{" + entry("a", "F32", "3", "0,12") + "}") ==
        "'a' has data_offsets [0, 12] in 8 bytes of data: need 12 bytes for float32[3], inside of the file");
  CHECK(refusal("{" + entry("a", "F32", "2", "8,0") + "}").find("need 8 bytes") != std::string::npos);
  CHECK(refusal("{" + entry("a", "F32", "4611686018427387904,4", "0,8") + "}").find("fewer than 2^63") !=
        std::string::npos);
  CHECK(refusal("{" + entry("a", "F32", "18446744073709551615", "0,8") + "}").find("need less than 2^63") !=
        std::string::npos);
  CHECK(refusal("{" + entry("a", "F32", "-2", "0,8") + "}").find("its header has -2") != std::string::npos);
  CHECK(refusal("{" + entry("a", "F32", "2.0", "0,8") + "}").find("its header has 2.0") != std::string::npos);
  CHECK(refusal("{" + good + "," + good + "}") == "two tensors 'a': need different names");
  CHECK(refusal("{" + entry("a", "F8_E4M3", "8", "0,8") + "}").find("dtype 'F8_E4M3'") != std::string::npos);
  CHECK(refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}").find("lacks dtype, shape or data_offsets") !=
        std::string::npos);
  CHECK(refusal("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}").find("twice") != std::string::npos);
  CHECK(refusal("{\"a\":{\"evil\":1}}").find("key 'evil'") != std::string::npos);
  CHECK(refusal("{" + entry("a", "F32", "2", "0,8,9") + "}").find("its header has 9") != std::string::npos);
  CHECK(refusal("{" + entry("a", "F32", "2", "0") + "}").find("1 data_offsets: need two") != std::string::npos);
  CHECK(refusal("{\"__metadata__\":{\"a\":1}}").find("its header has 1") != std::string::npos);
  CHECK(refusal("[1]").find("its header has a list") != std::string::npos);
  CHECK(refusal(std::string(100000, '[')).find("a list") != std::string::npos);
  CHECK(refusal(std::string(100000, '{')).find("no JSON") != std::string::npos);
  CHECK(refusal("").find("no JSON") != std::string::npos);
  CHECK(refusal("{" + good + "} x").find("no JSON") != std::string::npos);
  CHECK(error_of([] {
          read("\xff\xff\xff\xff\xff\xff\xff\x7f{}");
        }).find("a header of 9223372036854775807 bytes: need at most 2") != std::string::npos);
}
