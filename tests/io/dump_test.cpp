#include <backflow/io/dump.h>

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <iostream>
#include <limits>
#include <thread>

#include <backflow/io/inspect.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;
using backflow::test::make_tensor;
using backflow::test::values_of;

namespace {

Dump sample() {
  Dump dump;
  dump.parameters = {{"10.weight", make_tensor<float>({2, 3}, {1, -2, 3.5F, 0, INFINITY, -0.0F})},
                     {"2.weight", make_tensor<double>({}, {1e-300})},
                     {"é.bias", make_tensor<float>({0, 4}, {})},
                     {"deep", make_tensor<float>({1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2}, {1, 2, 3, 4})}};
  dump.buffers = {{"2.num_batches_tracked", make_tensor<std::int64_t>({1}, {std::numeric_limits<std::int64_t>::min()})},
                  {"mask", make_tensor<std::uint8_t>({3}, {0, 128, 255})},
                  {"truth", make_tensor<bool>({2, 2}, {true, false, false, true})},
                  {"short", make_tensor<BFloat16>({3}, {1.5F, NAN, -0.0F})},
                  {"int", make_tensor<std::int32_t>({2}, {-1, std::numeric_limits<std::int32_t>::max()})}};
  dump.optimizer = {{"momentum.10.weight", make_tensor<float>({1}, {0.5F})}};
  dump.step = 938;
  dump.epoch = -1;
  dump.sampler_epoch = 1;
  dump.sampler_position = 60032;
  dump.config = "name = \"é\"\n";
  dump.train_data = "60000 samples, digest 0f";
  dump.test_data = "10000 samples, digest f0";
  dump.versions = {{"backflow", "0.1.0"}, {"onednn", "2.6.3"}};
  return dump;
}

std::string bytes_of(const Tensor& x) { return {static_cast<const char*>(x.data_ptr()), x.nbytes()}; }

void check_equal(const NamedTensors& a, const NamedTensors& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].first == b[i].first);
    CHECK(a[i].second.scalar_type() == b[i].second.scalar_type());
    CHECK(a[i].second.sizes() == b[i].second.sizes());
    CHECK(bytes_of(a[i].second) == bytes_of(b[i].second));
  }
}

void check_equal(const Dump& a, const Dump& b) {
  check_equal(a.parameters, b.parameters);
  check_equal(a.buffers, b.buffers);
  check_equal(a.optimizer, b.optimizer);
  CHECK(a.step == b.step);
  CHECK(a.epoch == b.epoch);
  CHECK(a.sampler_epoch == b.sampler_epoch);
  CHECK(a.sampler_position == b.sampler_position);
  CHECK(a.config == b.config);
  CHECK(a.train_data == b.train_data);
  CHECK(a.test_data == b.test_data);
  CHECK(a.versions == b.versions);
}

// Runs `f` in a process of its own, and returns its exit code: the limits it sets end with it.
template <class F>
int in_child(F&& f) {
  std::cout.flush();  // or the child would write it again
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 125;
    try {
      code = f();
    } catch (...) {
      code = 124;
    }
    std::exit(code);  // with HDF5's own clean-up at the end, which must not fail either
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A disk of 256 KiB, if this process may mount one.
struct SmallDisk {
  explicit SmallDisk(const std::string& where) : path(where) {
    std::filesystem::create_directory(path);
    mounted = ::mount("none", path.c_str(), "tmpfs", 0, "size=256k") == 0;
  }
  ~SmallDisk() {
    if (mounted) ::umount2(path.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  std::string path;
  bool mounted = false;
};

}  // namespace

TEST_CASE("dump: what is written is read back, in its order") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  write_dump(path, sample());
  check_equal(read_dump(path), sample());
  CHECK(directory.names() == std::vector<std::string>{"a.h5"});
}

TEST_CASE("dump: HDF5 may be started any number of times") {
  start_hdf5();
  CHECK_NOTHROW(start_hdf5());
}

TEST_CASE("dump: an empty one, and a config of 1 MB") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  write_dump(path, Dump{});
  check_equal(read_dump(path), Dump{});
  Dump large = sample();
  large.config = std::string(1 << 20, 'x');
  write_dump(path, large);
  check_equal(read_dump(path), large);
}

TEST_CASE("dump: many tensors and long names") {
  const test::TemporaryDirectory directory;
  Dump dump;
  for (int i = 0; i < 500; ++i) {
    dump.parameters.emplace_back(std::string(static_cast<std::size_t>(i), 'n') + std::to_string(i),
                                 make_tensor<float>({1}, {static_cast<float>(i)}));
  }
  write_dump(directory.file("a.h5"), dump);
  check_equal(read_dump(directory.file("a.h5")), dump);
}

TEST_CASE("dump: strided tensors are written as values") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  const Tensor x = make_tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  Dump dump;
  dump.parameters = {{"transposed", view_of(x, {3, 2}, {1, 3}, 0)},
                     {"column", view_of(x, {2}, {3}, 1)},
                     {"broadcast", view_of(x, {2, 2}, {0, 1}, 4)}};
  write_dump(path, dump);
  const Dump read = read_dump(path);
  CHECK(values_of<float>(read.parameters[0].second) == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(values_of<float>(read.parameters[1].second) == std::vector<float>{2, 5});
  CHECK(values_of<float>(read.parameters[2].second) == std::vector<float>{5, 6, 5, 6});
}

TEST_CASE("dump: texts of every length") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  for (const std::size_t length : {0, 1, 59994, 59995, 65536, 300000}) {
    Dump dump = sample();
    dump.config = dump.train_data = dump.versions["long"] = std::string(length, 'x');
    dump.metadata = {{"a/b", std::string(length, 'y')}, {"other", std::string(length, 'z')}};
    write_dump(path, dump);
    const Dump read = read_dump(path);
    check_equal(read, dump);
    CHECK(read.metadata == dump.metadata);
  }
}

TEST_CASE("dump: tensors over many chunks, in every option") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  Dump dump = sample();
  const auto numbers = [](std::int64_t rows, std::int64_t columns) {
    std::vector<float> values(static_cast<std::size_t>(rows * columns));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 10007);
    return make_tensor<float>({rows, columns}, values);
  };
  const Tensor large = numbers(3000, 1000);
  dump.parameters.emplace_back("large", large);
  dump.parameters.emplace_back("transposed", view_of(large, {1000, 3000}, {1, 1000}, 0));
  dump.parameters.emplace_back("next", numbers(1100, 1000));
  Dump expected = dump;
  Tensor& turned = expected.parameters[5].second;
  std::vector<float> values;
  for (std::size_t i = 0; i < 1000; ++i) {
    for (std::size_t j = 0; j < 3000; ++j) values.push_back(large.const_data_ptr<float>()[j * 1000 + i]);
  }
  turned = make_tensor<float>({1000, 3000}, values);
  for (const DumpCompression compression : {DumpCompression::None, DumpCompression::Gzip}) {
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      write_dump(path, dump, {.compression = compression, .gzip_level = 1});
      check_equal(read_dump(path), expected);
      // One byte far inside is enough.
      std::string bytes = test::read_text(path);
      bytes[bytes.size() / 2] ^= 1;
      test::write_text(path, bytes);
      CHECK_THAT(error_of([&] { read_dump(path); }), StartsWith(path + ": damaged, or changed by another program"));
    }
  }
  set_num_threads(2);
}

TEST_CASE("dump: numbers of floating point may be stored in another type") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  Dump dump;
  dump.parameters = {{"w", make_tensor<float>({3}, {1.0F / 3, -2, 1e5F})}, {"n", make_tensor<std::int64_t>({1}, {7})}};
  dump.optimizer = {{"w.momentum", make_tensor<float>({1}, {1.0F / 3})}};
  write_dump(path, dump, {.floating_point = ElementType::BFloat16});
  Dump read = read_dump(path);
  CHECK(read.parameters[0].second.scalar_type() == kBFloat16);
  CHECK(read.parameters[1].second.scalar_type() == kInt64);
  CHECK(values_of<float>(read.optimizer[0].second) == std::vector<float>{1.0F / 3});
  write_dump(path, dump, {.floating_point = ElementType::Float16});
  read = read_dump(path);
  CHECK(values_of<float>(read.parameters[0].second) == std::vector<float>{0.33325195F, -2, INFINITY});
}

TEST_CASE("dump: options that are impossible") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  CHECK(error_of([&] { write_dump(path, sample(), {.gzip_level = 10}); }) ==
        path + ": gzip_level is 10: need one from 0 to 9");
  CHECK(error_of([&] { write_dump(path, sample(), {.chunk_bytes = 0}); }) ==
        path + ": chunk_bytes is 0: need one from 1 to 2^31 - 1");
  CHECK(directory.names().empty());
}

TEST_CASE("dump: equal dumps are equal files") {
  const test::TemporaryDirectory directory;
  write_dump(directory.file("a.h5"), sample());
  write_dump(directory.file("b.h5"), sample());
  CHECK(test::read_text(directory.file("a.h5")) == test::read_text(directory.file("b.h5")));
}

TEST_CASE("dump: names and tensors that cannot be written") {
  const Tensor x = make_tensor<float>({1}, {1});
  const auto error = [&](const NamedTensors& parameters) {
    Dump dump;
    dump.parameters = parameters;
    const test::TemporaryDirectory directory;
    const std::string path = directory.file("a.h5");
    const std::string message = error_of([&] { write_dump(path, dump); });
    CHECK(directory.names().empty());
    return message.substr(std::min(path.size() + 2, message.size()));
  };
  CHECK(error({{"", x}}) == "parameters name '': need a name without '/'");
  CHECK(error({{".", x}}) == "parameters name '.': need a name without '/'");
  CHECK(error({{"a/b", x}}) == "parameters name 'a/b': need a name without '/'");
  CHECK(error({{"a", x}, {"a", x}}) == "two tensors 'a' in parameters: need different names");
  CHECK(error({{"a", Tensor()}}) == "tensor 'a' in parameters is undefined: need one with a value");
}

TEST_CASE("dump: places that cannot be written") {
  const test::TemporaryDirectory directory;
  const std::string missing = directory.file("none/a.h5");
  CHECK(error_of([&] { write_dump(missing, sample()); }) == missing + ": cannot write: No such file or directory");
  CHECK(error_of([&] { write_dump("", sample()); }) == "'': cannot write: need the name of a file");
  std::filesystem::create_directory(directory.file("a.h5"));
  CHECK(error_of([&] { write_dump(directory.file("a.h5"), sample()); }) ==
        directory.file("a.h5") + ": cannot replace: Is a directory");
  CHECK(directory.names() == std::vector<std::string>{"a.h5"});
}

TEST_CASE("dump: without room the earlier file survives and nothing else stays") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  write_dump(path, sample());
  const std::string before = test::read_text(path);
  for (const rlim_t limit :
       {rlim_t{0}, rlim_t{100}, rlim_t{600}, rlim_t{3000}, static_cast<rlim_t>(before.size() - 1)}) {
    CHECK(in_child([&] {
            std::signal(SIGXFSZ, SIG_IGN);
            const rlimit size{limit, limit};
            ::setrlimit(RLIMIT_FSIZE, &size);
            const std::string message = error_of([&] { write_dump(path, sample()); });
            return message == path + ": cannot write: File too large" ? 0 : 1;
          }) == 0);
    CHECK(test::read_text(path) == before);
    CHECK(directory.names() == std::vector<std::string>{"a.h5"});
  }
}

TEST_CASE("dump: a full disk") {
  const test::TemporaryDirectory directory;
  const SmallDisk disk(directory.file("disk"));
  if (!disk.mounted) {
    WARN("needs the right to mount: left out");
    return;
  }
  const std::string path = disk.path + "/a.h5";
  Dump large;
  large.parameters = {{"w", make_tensor<float>({100000}, std::vector<float>(100000, 1.0F))}};
  write_dump(path, sample());
  CHECK(error_of([&] { write_dump(path, large); }) == path + ": cannot write: No space left on device");
  check_equal(read_dump(path), sample());
  CHECK(std::distance(std::filesystem::directory_iterator(disk.path), {}) == 1);
}

TEST_CASE("dump: files that are no dumps") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  CHECK(error_of([&] { read_dump(path); }) == path + ": cannot open: No such file or directory");
  CHECK(error_of([&] { read_dump(directory.path()); }) ==
        directory.path() + ": not a regular file: need a file of tensors");
  for (const std::string& text : {std::string(), std::string("x"), std::string(100000, 'x')}) {
    test::write_text(path, text);
    CHECK_THAT(error_of([&] { read_dump(path); }), StartsWith(path + ": cannot open as an HDF5 file: "));
  }
}

TEST_CASE("dump: several threads write and read at once") {
  const test::TemporaryDirectory directory;
  std::vector<std::thread> threads;
  threads.reserve(4);
  std::vector<std::string> errors(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const std::string path = directory.file(std::to_string(i % 2));
      errors[static_cast<std::size_t>(i)] = error_of([&] {
        for (int repeat = 0; repeat < 20; ++repeat) {
          write_dump(path, sample());
          check(read_dump(path).step == 938, "another step");
        }
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(errors == std::vector<std::string>(4, "no error"));
  CHECK(directory.names().size() == 2);
}

TEST_CASE("inspect: differences of two dumps") {
  const test::TemporaryDirectory directory;
  const std::string a = directory.file("a.h5");
  const std::string b = directory.file("b.h5");
  Dump dump = sample();
  write_dump(a, dump);
  dump.step = 1;
  dump.config = "other";
  dump.optimizer.clear();
  write_dump(b, dump);
  CHECK(diff_files(a, b).empty());
  dump.parameters[0].second = make_tensor<float>({2, 3}, {1, -2.5F, 3.5F, 0, INFINITY, 0.0F});
  dump.parameters[1].second = make_tensor<float>({}, {1});
  dump.parameters[2].second = make_tensor<float>({0, 5}, {});
  dump.buffers[0].first = "other";
  write_dump(b, dump);
  std::string text;
  for (const TensorDifference& difference : diff_files(a, b)) text += difference.text() + "\n";
  CHECK(text ==
        "/parameters/10.weight: 2 elements differ, by at most 0.5\n"
        "/parameters/2.weight: dtypes float64 and float32\n"
        "/parameters/é.bias: shapes [0, 4] and [0, 5]\n"
        "/buffers/2.num_batches_tracked: only in " +
            a +
            "\n"
            "/buffers/other: only in " +
            b + "\n");
}
