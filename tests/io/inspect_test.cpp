#include <backflow/io/inspect.h>

#include <cmath>

#include <backflow/io/dump.h>
#include <backflow/io/versions.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::make_tensor;

TEST_CASE("inspect: the text of a dump") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  Dump dump;
  dump.parameters = {{"0.weight", make_tensor<float>({2, 2}, {1, 2, 3, -4})},
                     {"0.bias", make_tensor<float>({2}, {NAN, 0.5F})},
                     {"empty", make_tensor<float>({0}, {})}};
  dump.step = 3;
  dump.versions = {{"backflow", "0.1.0"}, {"hdf5", "1.10.8"}};
  write_dump(path, dump);
  CHECK(inspect_dump(path) == path + ": format 1, step 3, epoch 0, 3 tensors of 24 bytes, digest ok\n" +
                                  "versions: backflow 0.1.0, hdf5 1.10.8\n"
                                  "name                  dtype    shape   min  max  mean         checksum\n"
                                  "/parameters/0.weight  float32  [2, 2]  -4   3    0.5          ok\n"
                                  "/parameters/0.bias    float32  [2]     0.5  0.5  0.5 (1 NaN)  ok\n"
                                  "/parameters/empty     float32  [0]     -    -    -            ok\n");
}

TEST_CASE("versions: every library has one") {
  const auto versions = library_versions();
  CHECK(versions.size() == 4);
  for (const auto& [library, version] : versions) {
    INFO(library);
    CHECK(version.find('.') != std::string::npos);
  }
}
