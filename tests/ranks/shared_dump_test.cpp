#include <backflow/io/shared_dump.h>

#include <sys/resource.h>

#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/io/dump.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>
#include <backflow/train/run/dump_ranks.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::make_tensor;
using backflow::test::read_text;
using backflow::test::TemporaryDirectory;

namespace {

std::shared_ptr<distributed::Communicator> world() { return distributed::Communicator::world(); }

// A directory that all ranks see, rank 0's.
class SharedDirectory {
 public:
  SharedDirectory() {
    if (world()->rank() == 0) own_.emplace();
    path_ = world()->all_gather(own_ ? own_->path() : "").front();
  }
  ~SharedDirectory() { world()->barrier(); }
  SharedDirectory(const SharedDirectory&) = delete;
  SharedDirectory& operator=(const SharedDirectory&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::size_t number_of_files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::optional<TemporaryDirectory> own_;
  std::string path_;
};

// The warnings of this process while it lives.
class Warnings {
 public:
  Warnings() : previous_(set_warning_handler([this](const std::string& text) { texts.push_back(text); })) {}
  ~Warnings() { set_warning_handler(previous_); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;

  std::vector<std::string> texts;

 private:
  WarningHandler previous_;
};

Tensor counted(IntArrayRef sizes, float first) {
  Tensor x = empty_tensor(sizes, kFloat32);
  std::iota(x.data_ptr<float>(), x.data_ptr<float>() + x.numel(), first);
  return x;
}

Dump sample() {
  Dump dump;
  dump.parameters = {{"large", counted({300, 40, 7}, 1)},         {"matrix", counted({129, 1000}, 2)},
                     {"turned", counted({500, 90}, 3).t()},       {"scalar", make_tensor<double>({}, {1e-300})},
                     {"nothing", make_tensor<float>({0, 4}, {})}, {"deep", counted({2, 3, 1, 4, 5, 1, 600}, 4)}};
  dump.buffers = {{"count", make_tensor<std::int64_t>({1}, {-5})},
                  {"mask", make_tensor<std::uint8_t>({70001}, std::vector<std::uint8_t>(70001, 200))},
                  {"truth", make_tensor<bool>({2, 2}, {true, false, false, true})},
                  {"short", make_tensor<BFloat16>({3}, {1.5F, -2, -0.0F})}};
  dump.trained = {{"large", counted({300, 40, 7}, 5)}};
  dump.loop = {{"best", make_tensor<double>({}, {0.25})}};
  dump.step = 938;
  dump.sampler_epoch = 1;
  dump.config = std::string(70000, '#') + "\n";
  dump.versions = {{"backflow", "0.1.0"}};
  return dump;
}

// The elements of `x` from `begin` to `end`, as a rank that has no others holds them.
TensorShare part(const std::string& name, const Tensor& x, std::int64_t begin, std::int64_t end) {
  Tensor elements = empty_tensor({end - begin}, kFloat32);
  std::copy(x.data_ptr<float>() + begin, x.data_ptr<float>() + end, elements.data_ptr<float>());
  return {name, {x.sizes().begin(), x.sizes().end()}, begin, elements, false};
}

// A state of which the ranks have parts that begin and end anywhere; of each tensor some have nothing.
SharedDump shared_sample(const Dump& whole) {
  SharedDump share{whole, {}};
  share.dump.optimizer.clear();
  const int rank = world()->rank();
  const int size = world()->size();
  for (std::size_t i = 0; i < whole.optimizer.size(); ++i) {
    const std::string& name = whole.optimizer[i].first;
    const Tensor& x = whole.optimizer[i].second;
    if (name == "of rank 0") {
      const TensorShare all{name, {x.sizes().begin(), x.sizes().end()}, 0, x, false};
      if (rank == 0) share.optimizer.push_back(all);
    } else if (name == "of all") {
      share.optimizer.push_back({name, {x.sizes().begin(), x.sizes().end()}, 0, x, true});
    } else {
      const std::int64_t cut = std::min<std::int64_t>(static_cast<std::int64_t>(i), x.numel());
      const auto at = [&](int r) { return r == 0 ? 0 : r == size ? x.numel() : std::min(cut * r, x.numel()); };
      share.optimizer.push_back(part(name, x, at(rank), at(rank + 1)));
    }
  }
  return share;
}

Dump whole_sample() {
  Dump dump = sample();
  for (int i = 0; i <= 60; ++i) dump.optimizer.emplace_back("cut at " + std::to_string(i), counted({3, 4, 5}, 6));
  dump.optimizer.emplace_back("of rank 0", counted({40000}, 7));
  dump.optimizer.emplace_back("of all", counted({2, 50000}, 8));
  return dump;
}

// Empty when all is written.
std::string error_of_write(const std::string& path, const SharedDump& share) {
  train::WorldDumpRanks ranks(*world(), 60);
  try {
    write_shared_dump(path, share, ranks);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

// Every rank has failed with this text; nothing is left beside what was there, which can be replaced afterwards.
void check_failed(const std::string& error, const std::string& why, const SharedDirectory& directory,
                  std::size_t files_left) {
  INFO(error);
  CHECK(error.find(why) != std::string::npos);
  for (const std::string& other : world()->all_gather(error)) CHECK(other == error);
  CHECK(directory.number_of_files() == files_left);
  world()->barrier();
}

}  // namespace

TEST_CASE("shared dump: the file of several ranks is that of one, byte for byte", "[shared_dump]") {
  const SharedDirectory directory;
  const Warnings warnings;
  const Dump whole = whole_sample();
  if (world()->rank() == 0) write_dump(directory.file("one.h5"), whole);
  if (world()->size() == 1) {
    CHECK(error_of_write(directory.file("all.h5"), shared_sample(whole)).find("need several") != std::string::npos);
    return;
  }
  for (int time = 0; time < 2; ++time) {  // the second replaces the first
    CHECK(error_of_write(world()->rank() == 0 ? directory.file("all.h5") : "", shared_sample(whole)).empty());
    CHECK(directory.number_of_files() == 2);
    CHECK(read_text(directory.file("all.h5")) == read_text(directory.file("one.h5")));
    CHECK(read_dump(directory.file("all.h5")).step == 938);
    world()->barrier();
  }
  CHECK(warnings.texts.empty());  // HDF5 has written each tensor collectively
}

TEST_CASE("shared dump: what fails on one rank fails on all, and leaves the file before", "[shared_dump]") {
  if (world()->size() == 1) return;
  const SharedDirectory directory;
  const std::string path = directory.file("all.h5");
  const Dump whole = whole_sample();
  const bool is_last = world()->rank() == world()->size() - 1;
  REQUIRE(error_of_write(path, shared_sample(whole)).empty());
  const std::string before = read_text(path);

  SharedDump missing = shared_sample(whole);
  if (is_last) missing.optimizer[7] = part("cut at 7", counted({3, 4, 5}, 6), 0, 0);
  check_failed(error_of_write(path, missing), "each element of 'optimizer/cut at 7' once", directory, 1);

  SharedDump twice = shared_sample(whole);
  if (is_last) twice.optimizer[5] = part("cut at 5", counted({3, 4, 5}, 6), 0, 60);
  check_failed(error_of_write(path, twice), "each element of 'optimizer/cut at 5' once", directory, 1);

  SharedDump outside = shared_sample(whole);
  if (is_last) outside.optimizer[5] = part("cut at 5", counted({3, 4, 5, 2}, 6), 60, 120);
  check_failed(error_of_write(path, outside), "need a part of rank 0's tensor", directory, 1);

  SharedDump undefined = shared_sample(whole);
  if (world()->rank() == 0) undefined.dump.buffers.emplace_back("new", Tensor());
  check_failed(error_of_write(path, undefined), "'new' in buffers is undefined", directory, 1);

  check_failed(error_of_write(directory.file("gone/all.h5"), shared_sample(whole)), "No such file", directory, 1);
  CHECK(read_text(path) == before);
  world()->barrier();
  CHECK(error_of_write(path, shared_sample(whole)).empty());
}

TEST_CASE("shared dump: a file that may not grow is an error on all ranks", "[shared_dump]") {
  if (world()->size() == 1) return;
  const SharedDirectory directory;
  const std::string path = directory.file("all.h5");
  const SharedDump share = shared_sample(whole_sample());
  REQUIRE(error_of_write(path, share).empty());
  for (int limited = 0; limited < world()->size(); ++limited) {
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    if (world()->rank() == limited) {
      const rlimit low{500000, before.rlim_max};
      setrlimit(RLIMIT_FSIZE, &low);
    }
    const std::string error = error_of_write(path, share);
    setrlimit(RLIMIT_FSIZE, &before);
    // Which ranks write what the others have, MPI decides; rank 0 makes the file.
    if (limited == 0) {
      check_failed(error, "File too large", directory, 1);
    } else if (!error.empty()) {
      check_failed(error, "cannot write", directory, 1);
    }
    CHECK(error_of_write(path, share).empty());
  }
  CHECK(read_dump(path).step == 938);
}
