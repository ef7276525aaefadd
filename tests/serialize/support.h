// What the tests of save() and load() share.
#pragma once

#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/exchange/support.h>

namespace backflow::test {

/// Names of files whose extensions choose each format; the last is of none.
inline std::vector<std::string> files_of_every_format() {
  std::vector<std::string> names{"x.pt", "x.pth", "x.safetensors", "x.npz", "x.bin"};
#if BACKFLOW_TEST_HDF5
  names.push_back("x.h5");
#endif
  return names;
}

/// Names, dtypes, shapes and bits.
inline std::string contents_of(const OrderedDict<std::string, Tensor>& dict) {
  io::NamedTensors tensors;
  for (const auto& item : dict) tensors.emplace_back(item.key(), item.value().detach());
  return contents(tensors);
}

/// A net with batch norm, an embedding, a scalar and an empty parameter, and a buffer of its own name.
struct MixedNetImpl : nn::Module {
  MixedNetImpl() {
    embedding = register_module("embedding", nn::Embedding(5, 4));
    trunk =
        register_module("trunk", nn::Sequential(nn::Linear(4, 6), nn::BatchNorm1d(6), nn::ReLU(), nn::Linear(6, 3)));
    scale = register_parameter("scale", full({}, 2.0));
    empty = register_parameter("empty", zeros({0, 3}));
    mask = register_buffer("mask", ones({3}, kBool));
  }
  Tensor forward(const Tensor& x) { return trunk->forward(embedding->forward(x)) * scale; }

  nn::Embedding embedding{nullptr};
  nn::Sequential trunk{nullptr};
  Tensor scale;
  Tensor empty;
  Tensor mask;
};
BACKFLOW_MODULE(MixedNet);

}  // namespace backflow::test
