#include <backflow/exchange/npy.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/exchange/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;
using backflow::test::make_tensor;
using backflow::test::values_of;

namespace {

/// A .npy file of this version, dictionary and data.
std::string npy(unsigned version, const std::string& dictionary, const std::string& data) {
  std::string text("\x93NUMPY", 6);
  text += static_cast<char>(version);
  text += '\0';
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  for (std::size_t i = 0; i < length_bytes; ++i) text += static_cast<char>(dictionary.size() >> 8 * i & 0xff);
  return text + dictionary + data;
}

Tensor read(const std::string& bytes) {
  const InputFile file(std::as_bytes(std::span(bytes)), "x.npy");
  FileStream stream(file);
  return read_npy(stream);
}

std::string dictionary(const std::string& descr, const std::string& shape, const char* fortran = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

std::string refusal(const std::string& descr, const std::string& shape = "(1,)") {
  return error_of([&] { read(npy(1, dictionary(descr, shape), "12345678")); });
}

}  // namespace

TEST_CASE("npy: versions 1 to 3, both byte orders and both memory orders") {
  const std::string little("\1\0\2\0\3\0\4\0\5\0\6\0", 12);
  const std::string big("\0\1\0\2\0\3\0\4\0\5\0\6", 12);
  const std::vector<std::int32_t> in_order{1, 2, 3, 4, 5, 6};
  for (const unsigned version : {1U, 2U, 3U}) {
    CHECK(values_of<std::int32_t>(read(npy(version, dictionary("'<i2'", "(2, 3)"), little))) == in_order);
    CHECK(values_of<std::int32_t>(read(npy(version, dictionary("'>u2'", "(2, 3)"), big))) == in_order);
  }
  const Tensor turned = read(npy(1, dictionary("'<i2'", "(2, 3)", "True"), little));
  CHECK(turned.sizes() == IntArrayRef{2, 3});
  CHECK(values_of<std::int32_t>(turned) == std::vector<std::int32_t>{1, 3, 5, 2, 4, 6});
  CHECK(read(npy(1, dictionary("'<i2'", "()"), little.substr(0, 2))).dim() == 0);
  CHECK(values_of<std::int32_t>(read(npy(1, "{\"shape\":(2L,),\"fortran_order\":False,\"descr\":\"|i1\"}",
                                         "\xff\1"))) == std::vector<std::int32_t>{-1, 1});
  CHECK(read(npy(1, dictionary("'<f8'", "(0, 3)"), "")).numel() == 0);
}

TEST_CASE("npy: what is refused, and why") {
  CHECK(refusal("'|O'") ==
        "x.npy: an array of Python objects, which could run code when read: need numbers; hint: save the numbers with "
        "numpy.save(..., allow_pickle=False)");
  CHECK(refusal("[('a', '<f4')]").find("a record array") != std::string::npos);
  CHECK(refusal("'<c8'").find("complex numbers") != std::string::npos);
  CHECK(refusal("'<U2'").find("text") != std::string::npos);
  CHECK(refusal("'<M8[ns]'").find("dates") != std::string::npos);
  CHECK(refusal("'<f4'", "(3,)") == "x.npy: truncated: sizes [3] of float32 need 12 bytes behind the header, found 8");
  CHECK(refusal("'<f4'", "(1,)") ==
        "x.npy: 4 bytes too many behind the array of sizes [1]: need a file that ends there");
  CHECK(refusal("'<f4'", "(4611686018427387904, 4)") ==
        "x.npy: sizes [4611686018427387904, 4]: need fewer than 2^63 bytes");
  CHECK(refusal("'<f4'", "(99999999999999999999,)").find("need a size below 2^63") != std::string::npos);
  CHECK(refusal("'<f4'", "(-1,)").find("need a size") != std::string::npos);
  CHECK(refusal("'<f4'", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)").find("need at most 16") != std::string::npos);
  CHECK(refusal("'<u8'", "(1,)").find("no error") != std::string::npos);
  CHECK(error_of([] {
          read(npy(1, dictionary("'<u8'", "(1,)"), std::string(8, '\xff')));
        }).find("need less than 2^63") != std::string::npos);
  CHECK(error_of([] { read(npy(1, dictionary("'|b1'", "(1,)"), "\2")); }) == "x.npy: a truth value of 2: need 0 or 1");
  CHECK(error_of([] { read(npy(4, dictionary("'<f4'", "(1,)"), "1234")); }) == "x.npy: .npy version 4: need 1, 2 or 3");
  CHECK(error_of([] { read(npy(1, "__import__('os').system('id')", "")); }).find("damaged at character 0") !=
        std::string::npos);
  CHECK(error_of([] { read("GIF89a and so on"); }).find("not a .npy file") != std::string::npos);
}

TEST_CASE("npy: rows of an array are read where they lie") {
  const test::TemporaryDirectory directory;
  Tensor x = empty_tensor({5, 2, 2}, kFloat32);
  for (int i = 0; i < 20; ++i) x.data_ptr<float>()[i] = static_cast<float>(i);
  write_npy(directory.file("x.npy"), x);
  write_npz(directory.file("x.npz"), {{"x", x}, {"label", make_tensor<std::int64_t>({2}, {8, 9})}});
  CHECK(npz_names(directory.file("x.npz")) == std::vector<std::string>{"x", "label"});
  for (const NpyArray& array :
       {NpyArray::open(directory.file("x.npy")), NpyArray::open(directory.file("x.npz"), "x")}) {
    CHECK(array.header().sizes == DimVector{5, 2, 2});
    CHECK(array.rows(3, 2).sizes() == IntArrayRef{2, 2, 2});
    CHECK(values_of<float>(array.rows(3, 2)) == std::vector<float>{12, 13, 14, 15, 16, 17, 18, 19});
    CHECK(array.rows(5, 0).numel() == 0);
    Tensor batch = make_tensor<float>({2, 4}, {0, 0, 0, 0, 0, 0, 0, 0});
    array.read_rows(1, 1, batch, 4);
    CHECK(values_of<float>(batch) == std::vector<float>{0, 0, 0, 0, 4, 5, 6, 7});
    CHECK(error_of([&] { array.rows(4, 2); }).find("rows 4 to 6: need some of its 5") != std::string::npos);
    CHECK(error_of([&] { array.read_rows(0, 1, batch, 6); }).find("need float32 and room for 4") != std::string::npos);
  }
  CHECK(error_of([&] { NpyArray::open(directory.file("x.npz"), "y"); }) ==
        directory.file("x.npz") + ": no array 'y': need one of its arrays: x, label");
}
