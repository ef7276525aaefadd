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
  CHECK(inspection_text(inspect_file(path)) ==
        path + ": format 3, step 3, epoch 0, 3 tensors of 24 bytes, digest ok\n" +
            "versions: backflow 0.1.0, hdf5 1.10.8\n"
            "name                  dtype    shape   bytes  min  mean  max  NaN  digest\n"
            "/parameters/0.weight  float32  [2, 2]  16     -4   0.5   3    0    ok\n"
            "/parameters/0.bias    float32  [2]     8      0.5  0.5   0.5  1    ok\n"
            "/parameters/empty     float32  [0]     0      -    -     -    0    ok\n");
}

TEST_CASE("inspect: a file of another format, as text and as JSON") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.safetensors");
  write_tensors(path, {{"w", make_tensor<float>({2}, {INFINITY, 1})}, {"n", make_tensor<std::int64_t>({}, {-7})}},
                {{"author", "a\nb"}}, {.floating_point = ElementType::Float16});
  const FileFigures file = inspect_file(path);
  CHECK(inspection_text(file) == path +
                                     ": safetensors, 2 tensors of 12 bytes\n"
                                     "metadata: author = a b, format = pt\n"
                                     "name  dtype    shape  bytes  min  mean  max  NaN  digest\n"
                                     "w     float16  [2]    4      1    inf   inf  0    none\n"
                                     "n     int64    []     8      -7   -7    -7   0    none\n");
  const std::string json = inspection_json(file);
  CHECK(json.find("\"max\": \"Infinity\"") != std::string::npos);
  CHECK(json.find("\"author\": \"a\\nb\"") != std::string::npos);
}

TEST_CASE("inspect: two files of different formats are compared by their names in the state dictionary") {
  const test::TemporaryDirectory directory;
  NamedTensors tensors{{"bn.weight", make_tensor<float>({2}, {1, NAN})},
                       {"bn.running_mean", make_tensor<float>({2}, {0.1F, 0.2F})}};
  const std::string dump = directory.file("a.h5");
  const std::string torch = directory.file("a.pt");
  const std::string rounded = directory.file("rounded.npz");
  write_tensors(dump, tensors);
  write_tensors(torch, tensors);
  write_tensors(rounded, tensors, {}, {.floating_point = ElementType::BFloat16});
  CHECK(diff_files(dump, torch).empty());
  CHECK(diff_files(dump, rounded, {.tolerance = 0.01}).empty());
  REQUIRE(diff_files(dump, rounded, {.tolerance = 1e-6}).size() == 1);
  CHECK(diff_files(dump, rounded, {.tolerance = 1e-6})[0].name == "bn.running_mean");
  CHECK(diff_files(dump, rounded)[0].problem == "dtypes float32 and bfloat16");
  tensors.pop_back();
  write_tensors(torch, tensors);
  CHECK(diff_files(dump, torch)[0].text() == "bn.running_mean: only in " + dump);
  CHECK(differences_json(diff_files(dump, torch)).find("\"equal\": false") != std::string::npos);
}

TEST_CASE("versions: every library has one") {
  const auto versions = library_versions();
  CHECK(versions.size() == 4);
  for (const auto& [library, version] : versions) {
    INFO(library);
    CHECK(version.find('.') != std::string::npos);
  }
}
