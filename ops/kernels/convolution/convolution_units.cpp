#include <backflow/ops/kernels/convolution/convolution_units.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <backflow/ops/kernels/kernel_counts.h>
#include <backflow/ops/kernels/products/packed_weights.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {

struct ConvolutionUnits::Operands {
  Blocked source;
  Tensor y;  ///< the result
  Blocked result;
  IntrusivePtr<Storage> weights;  ///< one part behind the other
  const float* bias;              ///< or null
};

struct ConvolutionUnits::Unit {
  const ConvolutionPrimitive* primitive;
  RowSlice rows;
  std::int64_t sample;  ///< the first
  std::int64_t part;
};

/// Computes units one after the other, on one thread. What oneDNN needs for a call is kept for the next: it would take
/// longer to make than small units take.
class ConvolutionUnits::Piece {
 public:
  Piece(const ConvolutionUnits& units, const Operands& operands)
      : units_(units), operands_(operands), is_forward_(units.direction_ == Direction::Forward) {}

  void compute(const Unit& u) {
    if (u.primitive != primitive_) {
      prepare(u);
    }
    const auto set = [&](int argument, const void* data) {
      arguments_.at(argument).set_data_handle(const_cast<void*>(data));
    };
    set(is_forward_ ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, source(u));
    set(DNNL_ARG_WEIGHTS, operands_.weights->data() + u.primitive->w.get_size() * static_cast<std::size_t>(u.part));
    set(is_forward_ ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, result(u));
    if (operands_.bias != nullptr) {
      set(DNNL_ARG_BIAS, operands_.bias + u.part * (units_.g_.w[0] / units_.cut_.parts));
    }
    run();
  }

 private:
  void prepare(const Unit& u) {
    const ConvolutionPrimitive& p = *u.primitive;
    primitive_ = &p;
    arguments_ = {{is_forward_ ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, over(is_forward_ ? p.x : p.y, nullptr)},
                  {DNNL_ARG_WEIGHTS, over(p.w, nullptr)},
                  {is_forward_ ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, over(is_forward_ ? p.y : p.x, nullptr)}};
    if (operands_.bias != nullptr) {
      const std::int64_t filters = units_.g_.w[0] / units_.cut_.parts;
      arguments_.emplace(DNNL_ARG_BIAS,
                         over({{filters}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::a}, nullptr));
    }
    if (p.scratchpad.get_size() > 0) {
      scratchpad_ = Storage::make(p.scratchpad.get_size());
      arguments_.emplace(DNNL_ARG_SCRATCHPAD, over(p.scratchpad, scratchpad_->data()));
    }
  }

  void run() {
    if (primitive_->is_reference) {
      count_reference_call();
    }
    const SingleOpenMpThread single;
    primitive_->primitive.execute(onednn_stream(), arguments_);
    onednn_stream().wait();
  }

  float* result(const Unit& u) const {
    const ChannelBlocks& b = operands_.result.blocks;
    const std::int64_t row = b.spatial / result_sizes(units_.direction_, units_.g_)[2] * b.block;
    return operands_.result.elements.mutable_data_ptr<float>() + u.sample * b.sample_elements() +
           u.part * (b.sample_elements() / units_.cut_.parts) + u.rows.begin * row;
  }

  const float* source(const Unit& u) {
    const ChannelBlocks& b = operands_.source.blocks;
    // A part of the groups reads a part of the channels, one of the filters all of them.
    const std::int64_t parts = units_.g_.groups > 1 ? units_.cut_.parts : 1;
    const std::int64_t offset = parts > 1 ? u.part * (b.sample_elements() / parts) : 0;
    const float* const from =
        operands_.source.elements.const_data_ptr<float>() + u.sample * b.sample_elements() + offset;
    const std::int64_t all_rows = source_sizes(units_.direction_, units_.g_)[2];
    if (u.rows.source_end - u.rows.source_begin == all_rows) {
      return from;
    }
    const std::int64_t row = b.spatial / all_rows * b.block;
    return copied_rows(from + u.rows.source_begin * row, b.blocks() / parts, all_rows * row,
                       (u.rows.source_end - u.rows.source_begin) * row);
  }

  /// Of each block of channels `length` elements, side by side. oneDNN's fast kernels take no strides between blocks.
  /// Units that need the same rows follow each other.
  const float* copied_rows(const float* from, std::int64_t blocks, std::int64_t stride, std::int64_t length) {
    if (blocks == 1) {
      return from;
    }
    if (from != copied_from_ || length != copied_length_) {
      if (!copy_.defined() || copy_.numel() < blocks * length) {
        copy_ = empty_tensor({blocks * length}, kFloat32);
      }
      for (std::int64_t i = 0; i < blocks; ++i) {
        std::memcpy(copy_.mutable_data_ptr<float>() + i * length, from + i * stride,
                    static_cast<std::size_t>(length) * sizeof(float));
      }
      copied_from_ = from;
      copied_length_ = length;
    }
    return copy_.const_data_ptr<float>();
  }

  const ConvolutionUnits& units_;
  const Operands& operands_;
  const bool is_forward_;
  const ConvolutionPrimitive* primitive_ = nullptr;
  Arguments arguments_;
  IntrusivePtr<Storage> scratchpad_;
  Tensor copy_;
  const float* copied_from_ = nullptr;
  std::int64_t copied_length_ = 0;
};

/// Without rows, all samples of a part before the next part, whose weights stay in the cache; with rows, all parts of
/// the same rows, which are copied once.
ConvolutionUnits::Unit ConvolutionUnits::unit(std::int64_t i) const {
  const auto slices = static_cast<std::int64_t>(slices_.size());
  const bool is_by_rows = slices > 1;
  const std::int64_t part = is_by_rows ? i % cut_.parts : i / cut_.batch_pieces;
  const std::int64_t piece = is_by_rows ? i / cut_.parts / slices : i % cut_.batch_pieces;
  const Slice& slice = slices_[static_cast<std::size_t>(is_by_rows ? i / cut_.parts % slices : 0)];
  const std::int64_t samples = g_.x[0];
  const std::int64_t begin = piece * samples / cut_.batch_pieces;
  const std::int64_t count = (piece + 1) * samples / cut_.batch_pieces - begin;
  const bool is_larger = count == (samples + cut_.batch_pieces - 1) / cut_.batch_pieces;
  return {(is_larger ? slice.larger : slice.smaller).get(), slice.rows, begin, part};
}

ConvolutionUnits::Operands ConvolutionUnits::operands(const Tensor& source, const Tensor& w, const Tensor& bias) const {
  const bool is_forward = direction_ == Direction::Forward;
  // Parts of the filters or groups are parts of the first dimension of the weights, those of dx of the second.
  const WeightParts parts{is_forward || g_.groups > 1 ? std::size_t{0} : std::size_t{1}, cut_.parts};
  Operands o;
  o.weights = packed_weights(w, plain_weights(g_), form().w, parts);
  o.source = as_blocked(source, is_forward ? form().x_block : form().y_block);
  const std::int64_t block = is_forward ? form().y_block : form().x_block;
  o.y = empty_blocked(result_sizes(direction_, g_), kFloat32, block);
  o.result = as_blocked(o.y, block);
  o.bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  return o;
}

Tensor ConvolutionUnits::compute(const Tensor& source, const Tensor& w, const Tensor& bias) const {
  Operands o = operands(source, w, bias);
  const std::int64_t units = count();
  parallel_for(pieces_, [&](std::int64_t i) {
    Piece piece(*this, o);
    for (std::int64_t u = begin_of_piece(i, pieces_, units); u < begin_of_piece(i + 1, pieces_, units); ++u) {
      piece.compute(unit(u));
    }
  });
  return std::move(o.y);
}

}  // namespace backflow::kernels
