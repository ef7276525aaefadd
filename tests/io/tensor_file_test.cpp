#include <backflow/io/tensor_file.h>

#include <cmath>

#include <backflow/exchange/half_internal.h>
#include <backflow/io/dump.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/exchange/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::bytes_of;
using backflow::test::contents;
using backflow::test::error_of;
using backflow::test::make_tensor;
using backflow::test::values_of;

TEST_CASE("exchange: every dtype and shape comes back bit for bit through each format") {
  const test::TemporaryDirectory directory;
  const NamedTensors tensors = test::every_kind();
  std::map<std::string, std::string> expected;
  for (const auto& [name, x] : tensors) expected[name] = contents({{name, x}});
  for (const char* extension : {".h5", ".safetensors", ".npz", ".pt", ".pth"}) {
    INFO(extension);
    const std::string path = directory.file(std::string("a") + extension);
    write_tensors(path, tensors);
    for (const Access access : {Access::Copy, Access::Mapped}) {
      const TensorFile file = read_tensor_file(path, {.access = access});
      CHECK(file.tensors.size() == tensors.size());
      CHECK(file.types.size() == tensors.size());
      for (const auto& [name, x] : file.tensors) CHECK(contents({{name, x}}) == expected[name]);
    }
  }
  for (const auto& [name, x] : tensors) {
    write_tensors(directory.file("b.npy"), {{name, x}});
    CHECK(bytes_of(read_tensors(directory.file("b.npy"))[0].second) == bytes_of(x));
    CHECK(read_tensors(directory.file("b.npy"))[0].first == "b");
  }
  CHECK(directory.names().size() == 6);
}

TEST_CASE("exchange: a dump is one list in the order of PyTorch's state_dict") {
  const test::TemporaryDirectory directory;
  const Tensor x = make_tensor<float>({1}, {1});
  Dump dump;
  dump.parameters = {{"conv.weight", x}, {"bn.weight", x}, {"bn.bias", x}, {"fc.weight", x}};
  dump.buffers = {{"bn.running_mean", x}, {"bn.running_var", x}, {"bn.num_batches_tracked", x}};
  dump.optimizer = {{"fc.weight.momentum", x}};
  dump.step = 12;
  dump.config = "a = 1\n";
  write_dump(directory.file("a.h5"), dump);
  const TensorFile file = read_tensor_file(directory.file("a.h5"));
  std::string names;
  for (const auto& [name, value] : file.tensors) names += name + " ";
  CHECK(names == "conv.weight bn.weight bn.bias bn.running_mean bn.running_var bn.num_batches_tracked fc.weight ");
  CHECK(file.metadata == std::map<std::string, std::string>{{"config", "a = 1\n"}, {"step", "12"}});

  write_tensors(directory.file("b.h5"), file.tensors, {{"step", "12"}, {"author", "é"}});
  const Dump back = read_dump(directory.file("b.h5"));
  CHECK(back.parameters.size() == 4);
  CHECK(back.buffers.size() == 3);
  CHECK(back.step == 12);
  CHECK(back.metadata == std::map<std::string, std::string>{{"author", "é"}});
}

TEST_CASE("exchange: metadata come back where the format has them") {
  const test::TemporaryDirectory directory;
  const std::map<std::string, std::string> metadata{{"author", "a \"b\"\né"}, {"format", "pt"}};
  for (const char* extension : {".h5", ".safetensors", ".pt"}) {
    const std::string path = directory.file(std::string("a") + extension);
    write_tensors(path, {{"w", make_tensor<float>({1}, {1})}}, metadata);
    CHECK(read_tensor_file(path).metadata == metadata);
  }
}

TEST_CASE("exchange: floating-point tensors are stored as asked, others as they are") {
  const test::TemporaryDirectory directory;
  const NamedTensors tensors{{"w", make_tensor<float>({3}, {1, 65504, 1e-8F})},
                             {"n", make_tensor<std::int64_t>({1}, {300})}};
  for (const char* extension : {".safetensors", ".npz", ".pt"}) {
    const std::string path = directory.file(std::string("a") + extension);
    write_tensors(path, tensors, {}, {.floating_point = ElementType::Float16});
    const TensorFile file = read_tensor_file(path);
    CHECK(file.types == std::vector<ElementType>{ElementType::Float16, ElementType::Int64});
    CHECK(values_of<float>(file.tensors[0].second) == std::vector<float>{1, 65504, 0});
  }
  const std::string dump = directory.file("a.h5");
  write_tensors(dump, tensors, {}, {.floating_point = ElementType::Float64});
  CHECK(read_tensors(dump)[0].second.scalar_type() == kFloat64);
  write_tensors(dump, tensors, {}, {.floating_point = ElementType::Float16});
  CHECK(values_of<float>(read_tensors(dump)[0].second) == std::vector<float>{1, 65504, 0});
}

TEST_CASE("exchange: float16 in both directions") {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = io::detail::float_of_half(static_cast<std::uint16_t>(bits));
    const unsigned back = io::detail::half_of_double(value);
    if (std::isnan(value)) {
      CHECK((back & 0x7fffU) > 0x7c00U);
    } else if (back != bits) {
      FAIL("bits " << bits << " come back as " << back);
    }
  }
  CHECK(io::detail::half_of_double(65519.9) == 0x7bff);
  CHECK(io::detail::half_of_double(65520) == 0x7c00);
  CHECK(io::detail::half_of_double(1 + 0x1p-11) == 0x3c00);            // a tie, to even
  CHECK(io::detail::half_of_double(1 + 0x1p-11 + 0x1p-40) == 0x3c01);  // above the tie
  CHECK(io::detail::half_of_double(-0x1p-25) == 0x8000);
  CHECK(io::detail::half_of_double(0x1.8p-25) == 0x0001);
}

TEST_CASE("exchange: mapped tensors change no file, and outlive its name") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.safetensors");
  write_tensors(path, {{"w", make_tensor<float>({2}, {1, 2})}});
  const std::string before = test::read_text(path);
  const NamedTensors tensors = read_tensor_file(path, {.access = Access::Mapped}).tensors;
  tensors[0].second.data_ptr<float>()[0] = 5;
  CHECK(test::read_text(path) == before);
  write_tensors(path, {{"w", make_tensor<float>({2}, {7, 8})}});
  CHECK(values_of<float>(tensors[0].second) == std::vector<float>{5, 2});
}

TEST_CASE("exchange: errors say what a file seems to be") {
  const test::TemporaryDirectory directory;
  const auto message = [&](const std::string& name, const std::string& content) {
    test::write_text(directory.file(name), content);
    const std::string error = error_of([&] { read_tensors(directory.file(name)); });
    return error.substr(std::min(error.size(), directory.file(name).size() + 2));
  };
  CHECK(message("a.pt", "") == "is empty: need a file of torch.save()");
  CHECK(message("a.safetensors", "\x89PNG\r\n") == "seems to be a PNG image: need a safetensors file");
  CHECK(message("b.pt", "\x80\x04N.") ==
        "seems to be a pickle of Python, which could run code when read: need a file of torch.save()");
  CHECK(message("a.npz", "version https://git-lfs") ==
        "seems to be a pointer of Git LFS, not the file itself: need a NumPy archive");
  CHECK(message("a.txt", "hello") ==
        "seems to be text: need a file of tensors, as .h5, .safetensors, .npz, .npy, .pt or .pth");
  write_tensors(directory.file("b.safetensors"), {{"w", make_tensor<float>({1}, {1})}});
  CHECK(message("b.npz", test::read_text(directory.file("b.safetensors"))) ==
        "seems to be a safetensors file: need a NumPy archive; hint: rename it to *.safetensors");
  test::write_text(directory.file("model.bin"), test::read_text(directory.file("b.safetensors")));
  CHECK(read_tensors(directory.file("model.bin")).size() == 1);  // the content says enough
  CHECK(error_of([&] { read_tensors(directory.path()); }) ==
        directory.path() + ": not a regular file: need a file of tensors");
  CHECK(error_of([&] { read_tensors(directory.file("none.pt")); }) ==
        directory.file("none.pt") + ": cannot open: No such file or directory");
}

TEST_CASE("exchange: what cannot be written") {
  const test::TemporaryDirectory directory;
  const Tensor x = make_tensor<float>({1}, {1});
  for (const char* extension : {".h5", ".safetensors", ".npz", ".pt"}) {
    const std::string path = directory.file(std::string("a") + extension);
    CHECK(error_of([&] { write_tensors(path, {{"w", x}, {"w", x}}); }).find("two ") != std::string::npos);
    CHECK(error_of([&] { write_tensors(path, {{"w", Tensor()}}); }).find("undefined") != std::string::npos);
  }
  CHECK(error_of([&] {
          write_tensors(directory.file("a.npy"), {{"w", x}, {"v", x}});
        }).find("2 tensors: need one for a .npy file") != std::string::npos);
  CHECK(error_of([&] { write_tensors("a.bin", {}); }) ==
        "a.bin: unknown extension: need a name that ends with .h5, .safetensors, .npz, .npy, .pt or .pth");
  CHECK(error_of([&] {
          write_tensors(directory.file("a.safetensors"), {{"\xff", x}});
        }).find("UTF-8") != std::string::npos);
  CHECK(directory.names().empty());
}
