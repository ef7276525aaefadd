#include <backflow/exchange/torch/torch_file.h>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/zip/zip.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/exchange/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;
using backflow::test::make_tensor;
using backflow::test::values_of;

namespace {

/// A file of torch.save() with this pickle and one storage "0" of four floats.
std::string archive(const std::string& pickle, const std::vector<std::string>& more = {}) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("x.pt");
  AtomicFile file(path);
  ZipWriter writer(file, path);
  const float elements[] = {1, 2, 3, 4};
  writer.add("x/data.pkl", std::as_bytes(std::span(pickle)));
  writer.add("x/data/0", std::as_bytes(std::span(elements)));
  for (const std::string& name : more) writer.add(name, std::span<const std::byte>());
  writer.finish();
  file.commit();
  return test::read_text(path);
}

TensorFile read(const std::string& bytes, const std::string& key = "") {
  return read_torch(InputFile(std::as_bytes(std::span(bytes)), "x.pt"), key);
}

std::string refusal(const std::string& pickle, const std::string& key = "") {
  return error_of([&] { read(archive(pickle), key); });
}

bool refuses(const std::string& pickle, const std::string& why) {
  const std::string error = refusal(pickle);
  INFO(error);
  CHECK(error.find(why) != std::string::npos);
  return error.find(why) != std::string::npos;
}

std::string text(const std::string& value) {
  return std::string("X") + static_cast<char>(value.size()) + std::string(3, '\0') + value;
}
std::string integer(int value) {
  std::string code = "J";
  for (int i = 0; i < 4; ++i) code += static_cast<char>(static_cast<unsigned>(value) >> 8 * i & 0xff);
  return code;
}
std::string integers(const std::vector<int>& values) {
  std::string code = "(";
  for (const int value : values) code += integer(value);
  return code + "t";
}
const std::string kStorage =
    "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + integer(4) + "tQ";

/// A tensor on the storage "0".
std::string tensor(int offset, const std::vector<int>& sizes, const std::vector<int>& strides,
                   const std::string& storage = kStorage) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + integer(offset) + integers(sizes) + integers(strides) +
         "\x89" + "ccollections\nOrderedDict\n)RtR";
}
std::string dict(const std::string& items) { return "}(" + items + "u"; }
std::string pickle(const std::string& value) { return "\x80\x02" + value + "."; }

}  // namespace

TEST_CASE("torch: views keep their strides and share their storage") {
  const TensorFile file = read(archive(
      pickle(dict(text("a") + tensor(0, {2, 2}, {1, 2}) + text("b") + tensor(3, {1}, {1}) + text("epoch") + "K\5"))));
  REQUIRE(file.tensors.size() == 2);
  CHECK(test::bytes_of(file.tensors[0].second) == test::bytes_of(make_tensor<float>({2, 2}, {1, 3, 2, 4})));
  CHECK(values_of<float>(file.tensors[1].second) == std::vector<float>{4});
  CHECK(file.tensors[0].second.is_alias_of(file.tensors[1].second));
  CHECK(file.metadata == std::map<std::string, std::string>{{"epoch", "5"}});
}

TEST_CASE("torch: tied weights are written once") {
  const test::TemporaryDirectory directory;
  const Tensor x = make_tensor<float>({2}, {1, 2});
  write_torch(directory.file("a.pt"), {{"a", x}, {"b", x}, {"c", make_tensor<float>({2}, {1, 2})}});
  const InputFile file(directory.file("a.pt"));
  CHECK(ZipReader(file).find("archive/data/1") != nullptr);
  CHECK(ZipReader(file).find("archive/data/2") == nullptr);
  const NamedTensors back = read_torch(file).tensors;
  CHECK(back[0].second.is_alias_of(back[1].second));
  CHECK(!back[0].second.is_alias_of(back[2].second));
}

TEST_CASE("torch: a pickle that could run code is refused by name") {
  const std::string call = "(" + text("id") + "tR";
  CHECK(refuses(pickle("cposix\nsystem\n" + call), "'posix.system' is not allowed"));
  CHECK(refuses(pickle("cos\nsystem\n" + call), "'os.system' is not allowed"));
  CHECK(refuses(pickle("cbuiltins\neval\n" + call), "'builtins.eval' is not allowed"));
  CHECK(refuses(pickle(text("os") + text("system") + "\x93" + call), "'os.system' is not allowed"));
  CHECK(refuses(pickle("c__main__\nNet\n)\x81"), "'__main__.Net' is not allowed"));
  CHECK(refuses(pickle(dict(text("a") + "ctorch._utils\n_rebuild_qtensor\n)R")), "_rebuild_qtensor' is not allowed"));
  CHECK(refuses(pickle("(" + text("id") + "ios\nsystem\n"), "opcode 0x69 ('i') is not allowed"));
  CHECK(refuses(pickle("(cos\nsystem\n" + text("id") + "o"), "'os.system' is not allowed"));
  CHECK(refuses(pickle("ccollections\nOrderedDict\n)\x81"), "a new object of what is no class of TorchScript"));
  CHECK(refuses(pickle("\x82\1"), "opcode 0x82 is not allowed"));
  CHECK(refuses(pickle("ccollections\nOrderedDict\n(K\1tR"), "with 1 arguments is not allowed"));
  CHECK(refuses(pickle("ctorch\nFloatStorage\n)R"), "'torch.FloatStorage' with 0 arguments is not allowed"));
  CHECK(refuses(pickle("K\1}b"), "attributes of what is no OrderedDict"));
}

TEST_CASE("torch: pickles that lie") {
  const auto one = [](const std::string& value) { return pickle(dict(text("a") + value)); };
  CHECK(refuses(one(tensor(0, {5}, {1})), "sizes [5], strides [1] and offset 0 leaves its storage of 4 elements"));
  CHECK(refuses(one(tensor(4, {1}, {1})), "leaves its storage"));
  CHECK(refuses(one(tensor(-1, {1}, {1})), "leaves its storage"));
  CHECK(refuses(one(tensor(3, {2}, {-1})), "leaves its storage"));
  CHECK(refuses(one(tensor(0, {1 << 30, 1 << 30}, {0, 0})), "leaves its storage"));
  CHECK(refuses(one(tensor(0, {2147483647, 2147483647, 2147483647}, {2147483647, 2147483647, 2147483647})),
                "leaves its storage"));
  CHECK(refuses(one(tensor(0, {2}, {1, 1})), "leaves its storage"));
  CHECK(refuses(one(tensor(0, std::vector<int>(17, 1), std::vector<int>(17, 1))), "more than 16 dimensions"));
  const std::string missing =
      "(" + text("storage") + "ctorch\nFloatStorage\n" + text("../1") + text("cpu") + integer(4) + "tQ";
  CHECK(refuses(one(tensor(0, {1}, {1}, missing)), "no data of the storage '../1'"));
  const std::string large =
      "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + integer(100) + "tQ";
  CHECK(refuses(one(tensor(0, {100}, {1}, large)), "'x/data/0' has 16 bytes: need 100 elements of float32"));
  CHECK(refuses(one(kStorage), "no tensors in its dictionary"));
  CHECK(refuses(pickle(dict(text("a") + tensor(0, {1}, {1}) + text("a") + tensor(0, {1}, {1}))), "two tensors 'a'"));
  CHECK(refuses(pickle(""), "0 values at the end"));
  CHECK(refuses(pickle("K\1"), "holds no dictionary"));
  CHECK(refuses("\x80\x02}", "truncated pickle"));
  CHECK(refuses(pickle("}") + "x", "bytes behind the pickle"));
  CHECK(refuses(pickle("}(K\1u"), "sets items of what is no dictionary"));
  CHECK(refuses(pickle("}}Ns"), "a key that is neither text nor an integer"));
  CHECK(refuses(pickle("h\7"), "value 7 is asked for"));
  CHECK(refuses(pickle("0"), "opcode 0x30 ('0')"));
  CHECK(refuses(pickle("X\xff\xff\xff\xff"), "truncated pickle"));
  CHECK(refuses("\x80\x06N.", "a newer pickle protocol"));
}

TEST_CASE("torch: nesting and repetition cost neither stack nor time") {
  CHECK(refuses(pickle(std::string(900000, ']') + std::string(899999, 'a')), "holds no dictionary"));
  CHECK(refuses(pickle(std::string(2000000, ')')), "more than 1000000 values"));
  CHECK(refuses(pickle(std::string(2000000, '(')), "open marks"));
  // Each dictionary holds the one before twice: 2^40 paths.
  std::string doubled = dict(text("a") + tensor(0, {1}, {1}));
  for (int i = 0; i < 40; ++i)
    doubled += "q" + std::string(1, static_cast<char>(i)) + "}(" + text("a") + "h" + static_cast<char>(i) + text("b") +
               "h" + static_cast<char>(i) + "u";
  CHECK(refusal(pickle("}" + text("model") + doubled + "s")).find("need") != std::string::npos);
  // A list that holds itself.
  CHECK(refuses(pickle(dict(text("a") + tensor(0, {1}, {1}) + text("b") + "]q\1h\1a")), "more than 32 deep"));
}

TEST_CASE("torch: the dictionaries of a checkpoint are offered by name") {
  const std::string weights = dict(text("w") + tensor(0, {4}, {1}));
  const std::string usual =
      archive(pickle(dict(text("epoch") + "K\7" + text("state_dict") + weights + text("optimizer") +
                          dict(text("state") + dict(std::string("K\0", 2) + dict(text("m") + tensor(0, {2}, {1})))))));
  CHECK(read(usual).tensors[0].first == "w");
  CHECK(read(usual).metadata.at("epoch") == "7");
  CHECK(read(usual, "optimizer").tensors[0].first == "state.0.m");
  CHECK(read(usual, "optimizer.state.0").tensors[0].first == "m");
  CHECK(error_of([&] { read(usual, "ema"); }) ==
        "x.pt: no dictionary 'ema': need one that it has: 'state_dict', 'optimizer.state.0'");
  CHECK(refusal(pickle(dict(text("model") + weights + text("ema") + weights + text("net") + weights))) ==
        "x.pt: several dictionaries: need to know which of 'model', 'ema', 'net'; hint: --key NAME");
  CHECK(read(archive(pickle("}"))).tensors.empty());
}

TEST_CASE("torch: objects of TorchScript are dictionaries of their attributes", "[exchange]") {
  const std::string object = std::string("c__torch__.net\nNet\n)\x81");
  const std::string inner = object + dict(text("w") + tensor(0, {2}, {1}) + text("training") + "\x88") + "b";
  const TensorFile file = read(archive(
      pickle(object +
             dict(text("fc") + inner + text("list") + "ctorch.jit._pickle\nbuild_intlist\n](" + integer(1) + "e\x85R") +
             "b")));
  REQUIRE(file.tensors.size() == 1);
  CHECK(file.tensors[0].first == "fc.w");
  CHECK(file.metadata.empty());  // "training" says nothing of the weights

  CHECK(refuses(pickle("cos\nsystem\n)\x81"), "'os.system' is not allowed"));
  CHECK(refuses(pickle("ccollections\nOrderedDict\n)\x81"), "a new object of what is no class of TorchScript"));
  CHECK(refuses(pickle("c__torch__.net\nNet\n" + integers({1}) + "\x81"),
                "a new object of what is no class of TorchScript"));
  CHECK(refuses(pickle("c__torch__.net\nNet\n)R"), "a call of '__torch__.net.Net' with 0 arguments is not allowed"));
  CHECK(refuses(pickle(object + dict(text("a") + "K\1") + "b" + dict(text("b") + "K\1") + "b"),
                "attributes of an object that has some"));
}
