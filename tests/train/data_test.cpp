#include <fstream>
#include <initializer_list>

#include <backflow/tests/catch2.h>

#include <backflow/runtime/threads/threads.h>
#include <backflow/tests/train/support.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/data/load_data.h>
#include <backflow/train/data/targets.h>

using namespace backflow;
using train::BatchMaker;

namespace {

struct Files {
  test::TemporaryDirectory directory;
  std::string images = directory.file("images");
  std::string labels = directory.file("labels");

  /// Both as training data and as test data, as [data] with further keys describes.
  train::LoadedData load(const std::string& keys = "", ScalarType dtype = kFloat32) const {
    const std::string text =
        "[data]\ntrain_images = '" + images + "'\ntrain_labels = '" + labels + "'\ntest_images = ''\n" + keys;
    const io::Config config = io::Config::parse(text, "test.toml");
    return train::load_data(train::read_data_options(config.section("data")), dtype, 1, train::DataPurpose::Training);
  }
};

}  // namespace

TEST_CASE("batches are scaled, normalized and in the order of their indices") {
  const Files files;
  test::write_idx(files.images, {3, 1, 2}, {0, 255, 51, 102, 5, 10});
  test::write_idx(files.labels, {3}, {2, 0, 1});
  const BatchMaker data = *files.load("mean = 0.2\nstd = 0.5\n", kFloat64).train;
  CHECK(data.info().classes == 3);
  CHECK(data.info().sample_shape == DimVector{1, 1, 2});

  const train::Batch batch = data.make({1, 0});
  CHECK(batch.x.sizes() == IntArrayRef({2, 1, 1, 2}));
  const auto* x = batch.x.data_ptr<double>();
  CHECK(x[0] == (51.0 / 255 - 0.2) / 0.5);
  CHECK(x[1] == (102.0 / 255 - 0.2) / 0.5);
  CHECK(x[2] == -0.4);
  CHECK(x[3] == 1.6);
  CHECK(batch.target.data_ptr<std::int64_t>()[0] == 0);
  CHECK(batch.target.data_ptr<std::int64_t>()[1] == 2);
  CHECK(data.make({}).x.sizes() == IntArrayRef({0, 1, 1, 2}));
}

TEST_CASE("samples and classes that do not belong together are an error that names the file") {
  const Files files;
  test::write_idx(files.images, {3, 1, 2}, {0, 255, 51, 102, 5, 10});
  test::write_idx(files.labels, {2}, {2, 0});
  CHECK_THROWS_WITH(files.load(), ContainsSubstring("2 classes for 3 samples"));
  test::write_idx(files.labels, {3, 1}, {2, 0, 1});
  CHECK_THROWS_WITH(files.load(), ContainsSubstring(files.labels));
  test::write_idx(files.images, {0, 1, 2}, {});
  test::write_idx(files.labels, {0}, {});
  CHECK_THROWS_WITH(files.load(), ContainsSubstring("no samples"));
}

TEST_CASE("data: samples and classes of different number name both files") {
  const Files files;
  test::write_idx(files.images, {3, 1, 2}, {0, 255, 51, 102, 5, 10});
  test::write_idx(files.labels, {2}, {2, 0});
  CHECK_THROWS_WITH(files.load(),
                    files.labels + ": 2 classes for 3 samples in " + files.images + ": need one for each");
}

TEST_CASE("data: samples without a number are an error that names the file") {
  const Files files;
  test::write_idx(files.labels, {3}, {0, 1, 0});
  for (const std::vector<std::uint32_t>& sizes :
       {std::vector<std::uint32_t>{3, 0, 28}, std::vector<std::uint32_t>{3, 28, 0}, std::vector<std::uint32_t>{3, 0}}) {
    test::write_idx(files.images, sizes, {});
    CHECK_THROWS_WITH(files.load(),
                      StartsWith(files.images + ": holds ") && EndsWith(": need samples that are not empty"));
  }
}

TEST_CASE("data: a label that is no class is an error with file, sample and value, when it is read") {
  const Files files;
  test::write_idx(files.images, {4, 1, 1}, {0, 1, 2, 3});
  const auto message = [&](int type, const std::vector<std::string>& labels) {
    std::ofstream out(files.labels, std::ios::binary);
    const char head[] = {0, 0, static_cast<char>(type), 1, 0, 0, 0, static_cast<char>(labels.size())};
    out.write(head, sizeof head);
    for (const std::string& label : labels) {
      out << label;
    }
    out.close();
    try {
      files.load();
    } catch (const Error& error) {
      REQUIRE_THAT(error.what(), StartsWith(files.labels + ": "));
      return std::string(error.what()).substr(files.labels.size() + 2);
    }
    return std::string();
  };
  const auto bytes = [](std::initializer_list<int> list) {
    std::string text;
    for (const int byte : list) {
      text += static_cast<char>(byte);
    }
    return text;
  };
  const std::string need = ": need a class, a whole number from 0 to 16777215";
  constexpr int kInt8 = 9;
  constexpr int kInt32 = 12;
  constexpr int kFloat32Code = 13;
  const std::string zero = bytes({0, 0, 0, 0});
  CHECK(message(kInt8, {bytes({0}), bytes({1}), bytes({0xff}), bytes({3})}) ==
        "sample 2, counted from 0, has the label -1" + need);
  CHECK(message(kInt32, {zero, bytes({0, 0, 3, 0xe7}), zero, zero}).empty());  // 999
  CHECK(message(kInt32, {zero, zero, zero, bytes({0, 0, 3, 0xe8})}) ==
        "sample 3, counted from 0, has the label 1000: need a class below 1000, that is below 1000 or 10 times the "
        "number "
        "of samples, 4");
  CHECK(message(kInt32, {bytes({1, 0, 0, 0}), zero, zero, zero}) ==
        "sample 0, counted from 0, has the label 16777216" + need);
  CHECK_THAT(message(kInt32, {bytes({0x77, 0x35, 0x94, 0}), zero, zero, zero}),
             StartsWith("sample 0, counted from 0, has the label 2") && EndsWith(need));
  CHECK(message(kFloat32Code, {bytes({0x3f, 0x80, 0, 0}), zero, bytes({0x40, 0, 0, 0}), zero}).empty());  // 1, 0, 2, 0
  CHECK(message(kFloat32Code, {zero, bytes({0x3f, 0, 0, 0}), zero, zero}) ==
        "sample 1, counted from 0, has the label 0.5" + need);
  CHECK_THAT(message(kFloat32Code, {zero, bytes({0x7f, 0xc0, 0, 0}), zero, zero}),
             StartsWith("sample 1, ") && EndsWith(need));
  CHECK_THAT(message(kFloat32Code, {bytes({0x7f, 0x80, 0, 0}), zero, zero, zero}),
             StartsWith("sample 0, ") && EndsWith(need));
}

TEST_CASE("data: labels of the test data are among the classes") {
  const Files files;
  test::write_idx(files.images, {3, 1, 1}, {0, 1, 2});
  test::write_idx(files.labels, {3}, {2, 0, 3});
  const train::RawBatch raw = files.load().train->source().read(std::vector<std::int64_t>{0, 1, 2});
  CHECK_NOTHROW(train::check_classes(raw.targets, files.labels, 4, "train-labels"));
  CHECK_THROWS_WITH(train::check_classes(raw.targets, files.labels, 3, "train-labels"),
                    files.labels +
                        ": sample 2, counted from 0, has the label 3: need one of the 3 classes of "
                        "train-labels, from 0 to 2");
}
