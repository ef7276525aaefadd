#include <backflow/tests/catch2.h>

#include <backflow/runtime/threads.h>
#include <backflow/tests/train/support.h>
#include <backflow/train/data.h>

using namespace backflow;
using train::BatchMaker;

namespace {

struct Files {
  test::TemporaryDirectory directory;
  std::string images = directory.file("images");
  std::string labels = directory.file("labels");
};

}  // namespace

TEST_CASE("batches are scaled, normalized and in the order of their indices") {
  const Files files;
  test::write_idx(files.images, {3, 1, 2}, {0, 255, 51, 102, 5, 10});
  test::write_idx(files.labels, {3}, {2, 0, 1});
  train::DataOptions options;
  options.mean = 0.2;
  options.std = 0.5;
  const BatchMaker data(train::load_dataset(files.images, files.labels), options, kFloat64);
  CHECK(data.dataset().num_classes() == 3);
  CHECK(data.dataset().sample_shape() == DimVector{1, 1, 2});

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
  CHECK_THROWS_WITH(train::load_dataset(files.images, files.labels), ContainsSubstring("2 classes for 3 samples"));
  test::write_idx(files.labels, {3, 1}, {2, 0, 1});
  CHECK_THROWS_WITH(train::load_dataset(files.images, files.labels), ContainsSubstring(files.labels));
  test::write_idx(files.images, {0, 1, 2}, {});
  test::write_idx(files.labels, {0}, {});
  CHECK_THROWS_WITH(train::load_dataset(files.images, files.labels), ContainsSubstring("no samples"));
}
