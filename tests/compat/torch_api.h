#pragma once

// The programs here are written for libtorch. Each is compiled with <backflow/torch.h>, with nothing but an alias of
// the namespace when it needs no more, and, when asked for, with libtorch itself: all of them print the same.
#if defined(COMPAT_LIBTORCH)
#include <torch/torch.h>
#elif defined(COMPAT_ALIAS)
#include <backflow/backflow.h>
namespace torch = backflow;
#else
#include <backflow/torch.h>
#endif

#include <cstdio>
#include <exception>

/// Prints the elements of a floating-point tensor in row-major order: libtorch prints tensors in another form than
/// PyTorch and Backflow.
inline void show(const char* what, const torch::Tensor& x) {
  std::printf("%s:", what);
  const torch::Tensor values = x.detach().to(torch::kDouble).contiguous();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    std::printf(" %.4f", values.data_ptr<double>()[i]);
  }
  std::printf("\n");
}

inline void fact(const char* what, bool holds) { std::printf("%s: %s\n", what, holds ? "yes" : "no"); }

/// Prints whether `body` throws, and that it is what a program written for libtorch catches.
template <class Body>
void throws(const char* what, Body body) {
  bool thrown = false;
  try {
    body();
  } catch (const std::exception& error) {
    thrown = error.what()[0] != '\0';
  }
  fact(what, thrown);
}
