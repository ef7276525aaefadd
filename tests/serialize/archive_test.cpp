#include <string>

#include <backflow/tests/catch2.h>
#include <backflow/tests/serialize/support.h>

using namespace backflow;
using namespace backflow::test;
using serialize::InputArchive;
using serialize::OutputArchive;

namespace {

/// Saves more than its parameters, as programs for libtorch do.
struct CountingNetImpl : nn::Module {
  CountingNetImpl() { fc = register_module("fc", nn::Linear(2, 2)); }
  void save(OutputArchive& archive) const override {
    nn::Module::save(archive);
    archive.write("calls", IValue(calls));
  }
  void load(InputArchive& archive) override {
    nn::Module::load(archive);
    IValue value;
    archive.read("calls", value);
    calls = value.toInt();
  }

  nn::Linear fc{nullptr};
  std::int64_t calls = 0;
};
BACKFLOW_MODULE(CountingNet);

}  // namespace

TEST_CASE("archive: tensors, numbers, texts and archives inside of it come back", "[serialize]") {
  const TemporaryDirectory directory;
  OutputArchive archive;
  archive.write("x", tensor({1.0F, 2.0F}));
  archive.write("epoch", 5);
  archive.write("rate", 0.1);
  archive.write("done", true);
  archive.write("text", "two\nlines and é");
  OutputArchive inner;
  inner.write("y", full({}, 7, kInt64));
  inner.write("name", "inner");
  OutputArchive nothing;
  inner.write("nothing", nothing);
  archive.write("inner", inner);
  for (const char* const name : {"a.safetensors", "a.pt", "a.bin"}) {
    INFO(name);
    archive.save_to(directory.file(name));
    InputArchive read;
    read.load_from(directory.file(name));
    Tensor x;
    read.read("x", x);
    CHECK(x[1].item<float>() == 2);
    IValue value;
    read.read("epoch", value);
    CHECK((value.isInt() && value.toInt() == 5));
    read.read("rate", value);
    CHECK((value.isDouble() && value.toDouble() == 0.1));
    read.read("done", value);
    CHECK((value.isBool() && value.toBool()));
    read.read("text", value);
    CHECK((value.isString() && value.toStringRef() == "two\nlines and é"));
    InputArchive part;
    read.read("inner", part);
    Tensor y;
    part.read("y", y);
    CHECK(y.item<std::int64_t>() == 7);
    part.read("name", value);
    CHECK(value.toStringRef() == "inner");
    InputArchive empty;
    CHECK(part.try_read("nothing", empty));
    CHECK(empty.keys().empty());
    auto keys = part.keys();
    std::sort(keys.begin(), keys.end());
    CHECK(keys == std::vector<std::string>{"name", "nothing", "y"});
    CHECK(error_of([&] { part.read("z", y); }).find("'inner': no tensor 'z': need one of ") != std::string::npos);
    CHECK(!part.try_read("name", y));  // a text
    CHECK(error_of([&] { value.toInt(); }).find("asked for an integer, holds a string") != std::string::npos);
  }
  CHECK(error_of([&] { archive.save_to(directory.file("a.npz")); }) ==
        directory.file("a.npz") + ": 'text' is text: need a format that has a place for it; hint: .safetensors");
}

TEST_CASE("archive: a module may save more than its parameters", "[serialize]") {
  const TemporaryDirectory directory;
  const CountingNet net;
  net->calls = 12;
  for (const char* const name : {"net.pt", "net.safetensors", "net.npz"}) {
    save(net, directory.file(name));
    CountingNet loaded;
    load(loaded, directory.file(name));
    CHECK(loaded->calls == 12);
    CHECK(contents_of(loaded->state_dict()) == contents_of(net->state_dict()));
  }
  CountingNet loaded;
  save(nn::Linear(2, 2), directory.file("other.pt"));
  CHECK(error_of([&] { load(loaded, directory.file("other.pt")); }) ==
        directory.file("other.pt") +
            ": CountingNet: 2 names do not fit: missing 'fc.weight', 'fc.bias': need the same names and shapes");
}
