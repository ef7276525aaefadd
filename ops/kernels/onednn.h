#pragma once

// The one place that knows oneDNN's versions: 2.6 (Debian 12) and 3.x (Debian 13) both compile behind it.

#include <string_view>
#include <unordered_map>

#include <oneapi/dnnl/dnnl_version.h>
#include <oneapi/dnnl/dnnl.hpp>

#include <omp.h>

#include <backflow/runtime/tensor/shape.h>

#if DNNL_VERSION_MAJOR < 2 || (DNNL_VERSION_MAJOR == 2 && DNNL_VERSION_MINOR < 6)
#error "Backflow needs oneDNN 2.6 or newer"
#endif

namespace backflow::kernels {

/// While it lives, oneDNN sees one OpenMP thread on this thread: parallelism is the pool's. The thread's own setting
/// comes back at the end, since it may be the user's.
class SingleOpenMpThread {
 public:
  SingleOpenMpThread() : previous_(omp_get_max_threads()) {
    if (previous_ != 1) {
      omp_set_num_threads(1);
    }
  }
  ~SingleOpenMpThread() {
    if (previous_ != 1) {
      omp_set_num_threads(previous_);
    }
  }
  SingleOpenMpThread(const SingleOpenMpThread&) = delete;
  SingleOpenMpThread& operator=(const SingleOpenMpThread&) = delete;

 private:
  int previous_;
};

/// The CPU, as oneDNN's engine.
inline const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

inline dnnl::stream& onednn_stream() {
  thread_local dnnl::stream stream(onednn_engine());
  return stream;
}

inline dnnl::memory::dims onednn_dims(IntArrayRef sizes) { return {sizes.begin(), sizes.end()}; }

/// Elements that lie as `desc` says; oneDNN has no type for those that are only read.
inline dnnl::memory over(const dnnl::memory::desc& desc, const void* data) {
  return {desc, onednn_engine(), const_cast<void*>(data)};
}

using Arguments = std::unordered_map<int, dnnl::memory>;

/// Runs a primitive on this thread, with memory for its scratchpad.
void run_primitive(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad, Arguments arguments);

/// Whether oneDNN has but its slow reference implementation.
template <class PrimitiveDesc>
bool is_reference(const PrimitiveDesc& desc) {
  return std::string_view(desc.impl_info_str()).find("ref") != std::string_view::npos;
}

/// What the three primitives of a convolution are made of.
struct ConvolutionDesc {
  dnnl::algorithm algorithm;
  dnnl::memory::desc x;
  dnnl::memory::desc w;
  dnnl::memory::desc bias;  ///< empty for none; not of BackwardData
  dnnl::memory::desc y;
  dnnl::memory::dims stride;
  dnnl::memory::dims dilation;  ///< 0 is a dense kernel
  dnnl::memory::dims before;
  dnnl::memory::dims after;
};

// Each throws dnnl::error when there is no such primitive. Scratchpads are the caller's.

inline dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// How the elements of a tensor that is not opaque lie: the distances of blocks, and what a block is made of.
struct BlockLayout {
  dnnl::memory::dims strides;
  dnnl::memory::dims inner_sizes;
  dnnl::memory::dims inner_dims;  ///< the dimension that each of these is a part of

  bool operator==(const BlockLayout&) const = default;
};

#if DNNL_VERSION_MAJOR >= 3
inline dnnl::memory::dims dims_of(const dnnl::memory::desc& desc) { return desc.get_dims(); }
inline bool is_opaque(const dnnl::memory::desc& desc) {
  return desc.get_format_kind() != dnnl::memory::format_kind::blocked;
}
inline BlockLayout block_layout(const dnnl::memory::desc& desc) {
  return {desc.get_strides(), desc.get_inner_blks(), desc.get_inner_idxs()};
}
/// y = x w + bias for matrices; an empty `bias` is none.
inline dnnl::matmul::primitive_desc product_desc(const dnnl::memory::desc& x, const dnnl::memory::desc& w,
                                                 const dnnl::memory::desc& bias, const dnnl::memory::desc& y) {
  return {onednn_engine(), x, w, bias, y, user_scratchpad()};
}
inline dnnl::convolution_forward::primitive_desc forward_desc(const ConvolutionDesc& d) {
  return {onednn_engine(),
          dnnl::prop_kind::forward_training,
          d.algorithm,
          d.x,
          d.w,
          d.bias,
          d.y,
          d.stride,
          d.dilation,
          d.before,
          d.after,
          user_scratchpad()};
}
inline dnnl::convolution_backward_data::primitive_desc backward_data_desc(
    const ConvolutionDesc& d, const dnnl::convolution_forward::primitive_desc& hint) {
  return {onednn_engine(),  d.algorithm, d.x, d.w, d.y, d.stride, d.dilation, d.before, d.after, hint,
          user_scratchpad()};
}
inline dnnl::convolution_backward_weights::primitive_desc backward_weights_desc(
    const ConvolutionDesc& d, const dnnl::convolution_forward::primitive_desc& hint) {
  return {onednn_engine(), d.algorithm, d.x,      d.w,     d.bias, d.y,
          d.stride,        d.dilation,  d.before, d.after, hint,   user_scratchpad()};
}
#else
inline dnnl::memory::dims dims_of(const dnnl::memory::desc& desc) { return desc.dims(); }
inline bool is_opaque(const dnnl::memory::desc& desc) { return desc.data.format_kind != dnnl_blocked; }
inline BlockLayout block_layout(const dnnl::memory::desc& desc) {
  const dnnl_blocking_desc_t& blocks = desc.data.format_desc.blocking;
  return {{blocks.strides, blocks.strides + desc.data.ndims},
          {blocks.inner_blks, blocks.inner_blks + blocks.inner_nblks},
          {blocks.inner_idxs, blocks.inner_idxs + blocks.inner_nblks}};
}
inline dnnl::matmul::primitive_desc product_desc(const dnnl::memory::desc& x, const dnnl::memory::desc& w,
                                                 const dnnl::memory::desc& bias, const dnnl::memory::desc& y) {
  return {{x, w, bias, y}, user_scratchpad(), onednn_engine()};
}
inline dnnl::convolution_forward::primitive_desc forward_desc(const ConvolutionDesc& d) {
  return {
      {dnnl::prop_kind::forward_training, d.algorithm, d.x, d.w, d.bias, d.y, d.stride, d.dilation, d.before, d.after},
      user_scratchpad(),
      onednn_engine()};
}
inline dnnl::convolution_backward_data::primitive_desc backward_data_desc(
    const ConvolutionDesc& d, const dnnl::convolution_forward::primitive_desc& hint) {
  return {
      {d.algorithm, d.x, d.w, d.y, d.stride, d.dilation, d.before, d.after}, user_scratchpad(), onednn_engine(), hint};
}
inline dnnl::convolution_backward_weights::primitive_desc backward_weights_desc(
    const ConvolutionDesc& d, const dnnl::convolution_forward::primitive_desc& hint) {
  return {{d.algorithm, d.x, d.w, d.bias, d.y, d.stride, d.dilation, d.before, d.after},
          user_scratchpad(),
          onednn_engine(),
          hint};
}
#endif

}  // namespace backflow::kernels
