// What the tests of file formats share: tensors of every dtype, files in memory, and what reads them.
#pragma once

#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <backflow/exchange/npy.h>
#include <backflow/exchange/safetensors.h>
#include <backflow/exchange/tensor_format.h>
#include <backflow/exchange/torch/torch_file.h>
#include <backflow/tests/io/support.h>

namespace backflow::test {

inline std::string bytes_of(const Tensor& x) {
  const io::EncodedElements elements(x, io::elements_of_dtype(x.scalar_type()));
  return {reinterpret_cast<const char*>(elements.bytes().data()), elements.bytes().size()};
}

/// Names, dtypes, shapes and bits.
inline std::string contents(const io::NamedTensors& tensors) {
  std::string text;
  for (const auto& [name, x] : tensors) text += to_text(name, " ", describe(x), " ") + bytes_of(x) + "\n";
  return text;
}

/// A tensor of each dtype; besides it an empty one, one that is strided, and the names of a normalization.
inline io::NamedTensors every_kind() {
  io::NamedTensors result;
  for (const ScalarType dtype : kAllDtypes) {
    Tensor x = empty_tensor({2, 3}, dtype);
    auto* bytes = static_cast<unsigned char*>(x.data_ptr());
    for (std::size_t i = 0; i < x.nbytes(); ++i)
      bytes[i] = static_cast<unsigned char>(dtype == kBool ? i % 2 : 37 * i + 11);
    result.emplace_back(std::string("every.") + name(dtype), x);
  }
  const Tensor matrix = make_tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  result.emplace_back("empty", make_tensor<float>({0, 4}, {}));
  result.emplace_back("turned", view_of(matrix, {3, 2}, {1, 3}, 0));
  result.emplace_back("bn.weight", make_tensor<float>({2}, {1, -0.0F}));
  result.emplace_back("bn.running_mean", make_tensor<float>({2}, {0.5F, 2}));
  result.emplace_back("bn.num_batches_tracked", make_tensor<std::int64_t>({}, {12}));
  result.emplace_back("é", make_tensor<float>({1}, {3}));
  return result;
}

/// Reads the bytes of a file as a format; the result's names, dtypes, shapes and bits.
inline std::string read_as(io::TensorFormat format, const std::string& bytes) {
  const io::InputFile file(std::as_bytes(std::span(bytes)), "memory");
  switch (format) {
    case io::TensorFormat::Safetensors:
      return contents(io::read_safetensors(file).tensors);
    case io::TensorFormat::Npz:
      return contents(io::read_npz(file).tensors);
    case io::TensorFormat::Torch:
      return contents(io::read_torch(file).tensors);
    default: {
      io::FileStream stream(file);
      return contents({{"array", io::read_npy(stream)}});
    }
  }
}

}  // namespace backflow::test
