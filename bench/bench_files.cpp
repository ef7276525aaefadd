// Writing and reading the tensors of a large model: `checkpoint_write`, `checkpoint_read` or `safetensors_map`,
// THREADS, and DATA if need be, then commands on standard input as bench/harness.h says. 1 GB of float32 in 62 tensors;
// the reference writes the same bytes with write() and fsync(), or reads them with read() from the page cache. Files
// lie in DATA, or in the current directory.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/exchange/safetensors.h>
#include <backflow/io/dump.h>
#include <backflow/io/guarded_read.h>
#include <backflow/io/tensor_file.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/bench/harness.h>

namespace {

using backflow::Tensor;
using backflow::io::Dump;

/// The layers of a wide network, large and small ones: 1.0 GB.
Dump make_dump() {
  Dump dump;
  std::uint32_t bits = 1;
  for (int layer = 0; layer < 31; ++layer) {
    for (const std::int64_t rows : {std::int64_t{2880}, std::int64_t{1}}) {
      const Tensor x = backflow::empty_tensor({rows, 2880}, backflow::kFloat32);
      auto* values = x.mutable_data_ptr<float>();
      for (std::int64_t i = 0; i < x.numel(); ++i) {
        bits = bits * 1664525 + 1013904223;
        values[i] = static_cast<float>(bits) * 0x1p-32F;
      }
      dump.parameters.emplace_back(std::to_string(layer) + (rows == 1 ? ".bias" : ".weight"), x);
    }
  }
  return dump;
}

void check_call(bool ok, const std::string& what) { backflow::check(ok, what, " failed"); }

/// What a program without a format does. Like ours it makes a new file.
void write_plainly(const std::string& path, const Dump& dump) {
  ::unlink(path.c_str());
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  check_call(file >= 0, "open " + path);
  for (const auto& [name, x] : dump.parameters) {
    const auto* data = static_cast<const char*>(x.const_data_ptr());
    for (std::size_t done = 0; done < x.nbytes();) {
      const ssize_t written = ::write(file, data + done, x.nbytes() - done);
      check_call(written > 0, "write");
      done += static_cast<std::size_t>(written);
    }
  }
  check_call(::fsync(file) == 0, "fsync");
  ::close(file);
}

/// Into new memory, as a reader of tensors does.
void read_plainly(const std::string& path, const Dump& like) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  check_call(file >= 0, "open " + path);
  std::vector<Tensor> tensors;
  for (const auto& [name, x] : like.parameters) {
    tensors.push_back(backflow::empty_tensor(x.sizes(), x.scalar_type()));
    auto* data = static_cast<char*>(tensors.back().mutable_data_ptr());
    for (std::size_t done = 0; done < x.nbytes();) {
      const ssize_t got = ::read(file, data + done, x.nbytes() - done);
      check_call(got > 0, "read");
      done += static_cast<std::size_t>(got);
    }
  }
  ::close(file);
}

/// Files of the bench, removed at the end.
struct Files {
  explicit Files(const std::string& data) : folder(data.empty() ? "." : data) {}

  std::string folder;
  std::string dump = name("dump.h5");
  std::string plain = name("plain");
  std::string safetensors = name("tensors.safetensors");

  std::string name(const std::string& end) const {
    return folder + "/backflow-bench-" + std::to_string(::getpid()) + "-" + end;
  }
  ~Files() {
    for (const std::string& path : {dump, plain, safetensors}) ::unlink(path.c_str());
  }
};

/// A few elements of each tensor, and their number.
std::vector<double> values_of(const backflow::io::NamedTensors& tensors) {
  std::vector<double> values;
  for (const auto& [name, x] : tensors) {
    const auto* data = x.const_data_ptr<float>();
    values.insert(values.end(), {static_cast<double>(x.numel()), static_cast<double>(data[x.numel() / 2]),
                                 static_cast<double>(data[x.numel() - 1])});
  }
  return values;
}

bench::Workload workload_of(const std::string& name, const Dump& dump, const Files& files) {
  const auto timed = [](auto&& f) {
    const auto start = bench::Clock::now();
    f();
    return bench::Times{0, bench::microseconds(start, bench::Clock::now())};
  };
  if (name == "checkpoint_write") {
    const auto write = [&dump, &files] {
      ::unlink(files.dump.c_str());
      write_dump(files.dump, dump);
    };
    bench::Workload workload{[=] { return timed(write); },
                             [&] {
                               write_dump(files.dump, dump);
                               return values_of(backflow::io::read_dump(files.dump).parameters);
                             }};
    workload.reference = [&] { write_plainly(files.plain, dump); };
    return workload;
  }
  write_plainly(files.plain, dump);
  const auto reference = [&] { read_plainly(files.plain, dump); };
  if (name == "checkpoint_read") {
    write_dump(files.dump, dump);
    bench::Workload workload{[=, &files] { return timed([&] { backflow::io::read_dump(files.dump); }); },
                             [&] { return values_of(backflow::io::read_dump(files.dump).parameters); }};
    workload.reference = reference;
    return workload;
  }
  backflow::check(name == "safetensors_map", "unknown workload '", name,
                  "': need checkpoint_write, checkpoint_read or safetensors_map");
  backflow::io::write_tensors(files.safetensors, dump.parameters);
  const auto map = [&] {
    return backflow::io::read_tensor_file(files.safetensors, {.access = backflow::io::Access::Mapped}).tensors;
  };
  bench::Workload workload{[=] { return timed([&] { map(); }); }, [=] { return values_of(map()); }};
  workload.reference = reference;
  return workload;
}

}  // namespace

int main(int argc, char** argv) {
  if (const std::optional<int> code = backflow::io::run_guard(argc, argv)) return *code;
  backflow::io::use_guard_program({});
  try {
    const bench::Arguments arguments = bench::parse(argc, argv);
    backflow::set_num_threads(arguments.threads);
    const Dump dump = make_dump();
    const Files files(arguments.data);
    const std::string name = arguments.workload.substr(arguments.workload.rfind('.') + 1);  // without a group's name
    return bench::serve(workload_of(name, dump, files));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
