#include <string>

#include <backflow/io/event_file.h>
#include <backflow/tests/catch2.h>

namespace backflow::io {
namespace {

// The format itself is read by tests/train/report_test.py.

TEST_CASE("event file: the checksum is CRC-32C") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xe3069283U);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);  // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43U);
}

}  // namespace
}  // namespace backflow::io
