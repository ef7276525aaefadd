#pragma once

// The primitives of a convolution's passes, for both of oneDNN's interfaces (2.6 and 3).

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include <backflow/bench/convolutions.h>
#include <backflow/ops/kernels/onednn.h>

namespace bench {

enum class Pass { Forward, BackwardData, BackwardWeights };

inline const char* name_of(Pass pass) {
  return pass == Pass::Forward ? "forward" : pass == Pass::BackwardData ? "backward data" : "backward weights";
}

/// A primitive with descriptions of its operands; empty where oneDNN does not have it.
struct ConvolutionPrimitive {
  struct Operand {
    int argument = 0;
    dnnl::memory::desc layout{};
    dnnl::memory::dims sizes{};
  };
  dnnl::primitive primitive{};
  std::array<Operand, 2> inputs{};
  Operand result{};
  dnnl::memory::desc scratchpad{};
  std::string implementation;
};

inline const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// Makes the descriptions of a convolution's passes, for one batch and in any layout.
class ConvolutionMaker {
 public:
  ConvolutionMaker(const ConvolutionShape& shape, std::int64_t batch, dnnl::algorithm algorithm)
      : algorithm_(algorithm),
        x_sizes_{batch, shape.in, shape.size, shape.size},
        w_sizes_{shape.out, shape.in, shape.kernel, shape.kernel},
        y_sizes_{batch, shape.out, shape.output_size(), shape.output_size()},
        strides_{shape.stride, shape.stride},
        left_{shape.padding(), shape.padding()} {
    const std::int64_t used = (shape.output_size() - 1) * shape.stride + shape.kernel;
    const std::int64_t right = std::max<std::int64_t>(used - shape.size - shape.padding(), 0);
    right_ = {right, right};
    attributes_.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  }

  /// Under the current number of OpenMP threads.
  ConvolutionPrimitive make(Pass pass) const {
    const auto forward =
        describe<dnnl::convolution_forward>(dnnl::prop_kind::forward_training, algorithm_, any(x_sizes_), any(w_sizes_),
                                            any(y_sizes_), strides_, left_, right_);
    if (!forward || pass == Pass::Forward) {
      return forward ? finish<dnnl::convolution_forward>(forward, {DNNL_ARG_SRC, forward.src_desc(), x_sizes_},
                                                         {DNNL_ARG_WEIGHTS, forward.weights_desc(), w_sizes_},
                                                         {DNNL_ARG_DST, forward.dst_desc(), y_sizes_})
                     : ConvolutionPrimitive();
    }
    if (pass == Pass::BackwardData) {
      const auto data = describe_backward<dnnl::convolution_backward_data>(forward);
      return data ? finish<dnnl::convolution_backward_data>(data, {DNNL_ARG_DIFF_DST, data.diff_dst_desc(), y_sizes_},
                                                            {DNNL_ARG_WEIGHTS, data.weights_desc(), w_sizes_},
                                                            {DNNL_ARG_DIFF_SRC, data.diff_src_desc(), x_sizes_})
                  : ConvolutionPrimitive();
    }
    const auto weights = describe_backward<dnnl::convolution_backward_weights>(forward);
    return weights ? finish<dnnl::convolution_backward_weights>(
                         weights, {DNNL_ARG_SRC, weights.src_desc(), x_sizes_},
                         {DNNL_ARG_DIFF_DST, weights.diff_dst_desc(), y_sizes_},
                         {DNNL_ARG_DIFF_WEIGHTS, weights.diff_weights_desc(), w_sizes_})
                   : ConvolutionPrimitive();
  }

 private:
  using Operand = ConvolutionPrimitive::Operand;

  static dnnl::memory::desc any(const dnnl::memory::dims& sizes) {
    return {sizes, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any};
  }

  template <class Primitive, class... Arguments>
  typename Primitive::primitive_desc describe(const Arguments&... arguments) const {
#if DNNL_VERSION_MAJOR >= 3
    return {cpu(), arguments..., attributes_, true};
#else
    return {typename Primitive::desc(arguments...), attributes_, cpu(), true};
#endif
  }

  template <class Primitive>
  typename Primitive::primitive_desc describe_backward(const dnnl::convolution_forward::primitive_desc& forward) const {
#if DNNL_VERSION_MAJOR >= 3
    return {cpu(), algorithm_, any(x_sizes_), any(w_sizes_), any(y_sizes_), strides_,
            left_, right_,     forward,       attributes_,   true};
#else
    return {typename Primitive::desc(algorithm_, any(x_sizes_), any(w_sizes_), any(y_sizes_), strides_, left_, right_),
            attributes_, cpu(), forward, true};
#endif
  }

  template <class Primitive>
  static ConvolutionPrimitive finish(const typename Primitive::primitive_desc& description, const Operand& first,
                                     const Operand& second, const Operand& result) {
    return {
        Primitive(description), {first, second}, result, description.scratchpad_desc(), description.impl_info_str()};
  }

  dnnl::algorithm algorithm_;
  dnnl::memory::dims x_sizes_, w_sizes_, y_sizes_, strides_, left_, right_;
  dnnl::primitive_attr attributes_;
};

}  // namespace bench
