#include <sstream>
#include <string>
#include <vector>

#include <backflow/tests/catch2.h>
#include <backflow/tests/serialize/support.h>

using namespace backflow;
using namespace backflow::test;

namespace {

OrderedDict<std::string, Tensor> every_tensor() {
  OrderedDict<std::string, Tensor> dict;
  for (const auto& [name, x] : every_kind()) dict.insert(name, x);
  return dict;
}

/// The same tensors sorted by name: formats keep orders of their own.
std::string sorted(const OrderedDict<std::string, Tensor>& dict) {
  std::map<std::string, Tensor> by_name;
  for (const auto& item : dict) by_name.emplace(item.key(), item.value());
  return contents({by_name.begin(), by_name.end()});
}

}  // namespace

TEST_CASE("save: a dictionary of tensors of every dtype and form comes back from every format", "[serialize]") {
  const TemporaryDirectory directory;
  const OrderedDict<std::string, Tensor> saved = every_tensor();
  for (const std::string& name : files_of_every_format()) {
    INFO(name);
    save(saved, directory.file(name));
    OrderedDict<std::string, Tensor> loaded{{"old", ones({1})}};
    load(loaded, directory.file(name));
    CHECK(sorted(loaded) == sorted(saved));
    std::map<std::string, Tensor> map;
    load(map, directory.file(name));
    CHECK(map.size() == saved.size());
    CHECK(directory.names().size() == 1);  // nothing but the file
    std::filesystem::remove(directory.file(name));
  }
}

TEST_CASE("save: a tensor comes back from every format, and a list from all that hold several", "[serialize]") {
  const TemporaryDirectory directory;
  const Tensor x = tensor({1.5F, -2.0F, 0.0F});
  const std::vector<Tensor> list{x, arange(4).view({2, 2}).t(), full({}, 3, kInt64), zeros({0})};
  std::vector<std::string> names = files_of_every_format();
  for (const std::string& name : names) {
    INFO(name);
    std::vector<Tensor> loaded{ones({5})};
    save(list, directory.file(name));
    load(loaded, directory.file(name));
    REQUIRE(loaded.size() == list.size());
    for (std::size_t i = 0; i < list.size(); ++i) CHECK(contents({{"", loaded[i]}}) == contents({{"", list[i]}}));
  }
  names.push_back("x.npy");
  for (const std::string& name : names) {
    INFO(name);
    Tensor loaded;
    save(x, directory.file(name));
    load(loaded, directory.file(name));
    CHECK(contents({{"", loaded}}) == contents({{"", x}}));
  }
  save(std::vector<Tensor>{}, directory.file("none.safetensors"));
  std::vector<Tensor> none{x};
  load(none, directory.file("none.safetensors"));
  CHECK(none.empty());
}

TEST_CASE("load: a tensor that is defined gets the elements, and its views see them", "[serialize]") {
  std::stringstream stream;
  save(tensor({1.0F, 2.0F}), stream);
  Tensor x = zeros({2});
  const Tensor view = x.view({2, 1});
  load(x, stream);
  CHECK(view[1][0].item<float>() == 2);
  stream.str("");
  stream.clear();
  save(ones({3}, kFloat64), stream);
  load(x, stream);
  CHECK(x.scalar_type() == kFloat64);
  CHECK(x.numel() == 3);
}

TEST_CASE("save: streams, functions and memory carry all kinds", "[serialize]") {
  const TemporaryDirectory directory;
  MixedNet net;
  std::ostringstream stream;
  save(net, stream);
  std::string bytes;
  save(net, [&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  CHECK(stream.str() == bytes);

  MixedNet other;
  std::istringstream input(bytes);
  load(other, input);
  CHECK(contents_of(other->state_dict()) == contents_of(net->state_dict()));
  MixedNet third;
  load(third, bytes.data(), bytes.size());
  CHECK(contents_of(third->state_dict()) == contents_of(net->state_dict()));
  MixedNet fourth;
  load(
      fourth,
      [&](std::uint64_t position, void* data, std::size_t size) {
        return bytes.copy(static_cast<char*>(data), size, position);
      },
      [&] { return bytes.size(); });
  CHECK(contents_of(fourth->state_dict()) == contents_of(net->state_dict()));

  save(net, directory.file("net.pt"));  // any format that needs no path may come from a stream
  std::ifstream file(directory.file("net.pt"), std::ios::binary);
  MixedNet fifth;
  load(fifth, file);
  CHECK(contents_of(fifth->state_dict()) == contents_of(net->state_dict()));
}

TEST_CASE("save: tensors that share elements share them in a .pt file", "[serialize]") {
  const TemporaryDirectory directory;
  const Tensor shared = randn({256, 256});
  save(OrderedDict<std::string, Tensor>{{"a", shared}, {"b", shared}}, directory.file("tied.pt"));
  CHECK(std::filesystem::file_size(directory.file("tied.pt")) < 1.5 * 256 * 256 * 4);
  OrderedDict<std::string, Tensor> loaded;
  load(loaded, directory.file("tied.pt"));
  CHECK(loaded["a"].data_ptr() == loaded["b"].data_ptr());
}

TEST_CASE("save and load: errors say what is wrong and leave things as they are", "[serialize]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("x.safetensors");
  save(OrderedDict<std::string, Tensor>{{"a", ones({2})}, {"b.c", ones({1})}}, path);
  Tensor x = zeros({1});
  CHECK(error_of([&] { load(x, path); }) == path + ": no tensor '0': need one of 'a', 'b'");
  CHECK(x.item<float>() == 0);
  std::vector<Tensor> list{x};
  CHECK(error_of([&] { load(list, path); }) == path + ": no tensor '0': need one of 'a', 'b'");
  CHECK(list.size() == 1);

  CHECK(error_of([&] { load(x, directory.file("none.pt")); }).find("none.pt") != std::string::npos);
  CHECK(error_of([&] { save(Tensor(), path); }) == "archive: tensor '0' is undefined: need one with a value");
  CHECK(error_of([&] { save(x, directory.file("no/x.pt")); }).find("no/x.pt") != std::string::npos);
  CHECK(error_of([&] { save(nn::Linear(nullptr), path); }).find("empty") != std::string::npos);
  CHECK(error_of([&] { save(std::shared_ptr<nn::Module>(), path); }) == "save: a null pointer: need an object");

  std::ostringstream bad;
  bad.setstate(std::ios::failbit);
  CHECK(error_of([&] { save(x, bad); }) == "save: 0 of 8 bytes were taken: need all");
  std::istringstream empty;
  CHECK(error_of([&] { load(x, empty); }).find("load: a stream: is empty") == 0);
  std::istringstream text("hello");
  CHECK(error_of([&] { load(x, text); }).find("load: a stream: seems to be text") == 0);
#if BACKFLOW_TEST_HDF5
  save(x, directory.file("x.h5"));
  std::ifstream hdf5(directory.file("x.h5"), std::ios::binary);
  CHECK(error_of([&] { load(x, hdf5); }) == "load: a stream: an HDF5 file: need its path");
#else
  CHECK(error_of([&] { save(x, directory.file("x.h5")); }).find("need a build with HDF5") != std::string::npos);
#endif
}
