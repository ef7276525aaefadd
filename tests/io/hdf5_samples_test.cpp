#include <backflow/io/datasets/hdf5_samples.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <backflow/io/dump.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using io::Hdf5Samples;
using test::error_of;

// Layouts, types and compression are in hdf5_samples_test.py, where h5py writes the files. Here a dump is one.

namespace {

constexpr std::uint64_t kCache = 1 << 22;

std::string write_rows(const test::TemporaryDirectory& directory, std::int64_t rows, std::int64_t columns) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i);
  }
  io::Dump dump;
  dump.parameters.emplace_back("x", test::make_tensor<float>({rows, columns}, values));
  const std::string path = directory.file("x.h5");
  io::write_dump(path, dump);
  return path;
}

}  // namespace

TEST_CASE("hdf5 samples: rows in any order, from several threads, with a small cache") {
  const test::TemporaryDirectory directory;
  const std::string path = write_rows(directory, 5000, 300);  // 6 MB in blocks of 1 MiB
  const Hdf5Samples samples(path, "parameters/x", kCache);
  CHECK(samples.sizes() == DimVector{5000, 300});
  CHECK(samples.dtype() == kFloat32);
  CHECK(samples.block_rows() > 1);
  CHECK(samples.kept_blocks() == 4);
  const auto read = [&](int step) {
    std::vector<std::int64_t> rows;
    for (std::int64_t i = 0; i < 64; ++i) {
      rows.push_back(i * step * 997 % 5000);
    }
    std::vector<float> values(rows.size() * 300);
    samples.read_rows(rows, reinterpret_cast<std::byte*>(values.data()));
    bool good = true;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      good = good && values[i * 300 + 7] == static_cast<float>(rows[i] * 300 + 7);
    }
    return good;
  };
  std::vector<int> good(4, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { good[static_cast<std::size_t>(i)] = read(i + 1) ? 1 : 0; });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(good == std::vector<int>(4, 1));
  const Tensor all = samples.read_all();
  CHECK(all.data_ptr<float>()[5000 * 300 - 1] == 1499999);
}

TEST_CASE("hdf5 samples: what is no such file or dataset is an error that names it") {
  const test::TemporaryDirectory directory;
  const std::string path = write_rows(directory, 10, 3);
  CHECK(error_of([&] { Hdf5Samples(directory.file("none"), "x", kCache); }) ==
        directory.file("none") + ": no such file: need an HDF5 file");
  CHECK_THAT(error_of([&] { Hdf5Samples(path, "y", kCache); }), StartsWith(path + ": cannot read 'y': "));
  CHECK_THAT(error_of([&] { Hdf5Samples(path, "parameters", kCache); }),
             ContainsSubstring("'parameters' is no dataset"));
  test::write_text(directory.file("text"), "no HDF5");
  CHECK_THAT(error_of([&] { Hdf5Samples(directory.file("text"), "x", kCache); }),
             StartsWith(directory.file("text") + ": cannot open: "));
  CHECK_THAT(error_of([&] { Hdf5Samples(write_rows(directory, 4, 500000), "parameters/x", 1 << 20); }),
             ContainsSubstring("need at most the 1048576 of the cache"));
}

TEST_CASE("hdf5 samples: damaged files end in an error or in numbers, never in a crash") {
  const test::TemporaryDirectory directory;
  const std::string good = test::read_text(write_rows(directory, 20, 5));
  const std::string path = directory.file("damaged.h5");
  std::uint32_t state = 12345;
  for (int i = 0; i < 150; ++i) {
    std::string bad = good;
    for (int k = 0; k < 4; ++k) {
      state = state * 1664525U + 1013904223U;
      const std::size_t at = 512 + state % (bad.size() - 512);
      bad[at] = static_cast<char>(state >> 24);
    }
    test::write_text(path, i % 5 == 0 ? bad.substr(0, bad.size() / 2) : bad);
    error_of([&] { Hdf5Samples(path, "parameters/x", kCache).read_all(); });
  }
}
