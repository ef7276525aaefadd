#include <backflow/tests/support/samples.h>

#include <cmath>
#include <cstdlib>

namespace backflow::test {
namespace {

Samples all_samples() {
  Samples all;
  for (Samples family : {
           elementwise_samples(),
           two_operand_samples(),
           three_operand_samples(),
           unary_samples(),
           activation_samples(),
           views_samples(),
           indexing_samples(),
           copies_samples(),
           strided_samples(),
           reduction_samples(),
           linear_algebra_samples(),
           loss_samples(),
           joining_samples(),
           extremes_samples(),
           statistics_samples(),
           softmax_samples(),
           scans_samples(),
           products_samples(),
           batched_products_samples(),
           einsum_samples(),
           creation_samples(),
           random_samples(),
           gathering_samples(),
           scattering_samples(),
           masking_samples(),
           arranging_samples(),
           padding_samples(),
           pooling_samples(),
           splitting_samples(),
           advanced_indexing_samples(),
           convolution_samples(),
           batch_norm_samples(),
           layer_norm_samples(),
           gated_activation_samples(),
           dropout_samples(),
           embedding_samples(),
           embedding_bag_samples(),
           unpooling_samples(),
           resampling_samples(),
           shuffling_samples(),
       }) {
    all.insert(all.end(), family.begin(), family.end());
  }
  const char* wanted = std::getenv("BACKFLOW_SAMPLE");
  if (wanted != nullptr) {
    std::erase_if(all, [&](const Sample& s) { return s.title().find(wanted) == std::string::npos; });
  }
  return all;
}

}  // namespace

const Samples& samples() {
  static const Samples kAll = all_samples();
  return kAll;
}

Arrays operand_values(const Sample& sample) {
  Arrays values;
  for (std::size_t i = 0; i < sample.operands.size(); ++i) {
    const Operand& o = sample.operands[i];
    if (o.same_as >= 0) {
      values.push_back(values[static_cast<std::size_t>(o.same_as)]);
      continue;
    }
    Array x = random_array(o.sizes, sample.title() + std::to_string(i), o.low, o.high);
    if (o.of == Of::Integer) {
      x = map(x, [&](double v) { return std::min(std::floor(v), o.high - 1); });
    } else if (o.of == Of::Mask) {
      x = map(x, [](double v) { return v > 0 ? 1 : 0; });
    } else {
      x = map(x, [](double v) { return static_cast<double>(static_cast<float>(v)); });  // exact in every dtype
    }
    if (o.layout == Layout::Expanded) {
      x = array_of(tensor_of(x, kFloat64, o.layout));
    }
    values.push_back(std::move(x));
  }
  return values;
}

Arrays values_in(const Sample& sample, ScalarType dtype) {
  Arrays values = operand_values(sample);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Operand& o = sample.operands[i];
    if (o.of == Of::Number) {
      values[i] = map(values[i], [&](double v) {
        // A whole number away from zero, where some functions have a pole, that lies in the operand's range.
        const double whole = std::min(std::max(std::round(v * 1.5), std::ceil(o.low)), std::floor(o.high));
        return dtype == kBool             ? static_cast<double>(v > 0)
               : is_floating_point(dtype) ? static_cast<double>(static_cast<float>(BFloat16(v)))
               : dtype == kUInt8          ? std::abs(whole)
                                          : whole;
      });
    }
  }
  return values;
}

Tensors operands_of(const Sample& sample, const Arrays& values, ScalarType dtype) {
  Tensors operands;
  for (std::size_t i = 0; i < sample.operands.size(); ++i) {
    const Operand& o = sample.operands[i];
    if (o.same_as >= 0) {
      operands.push_back(operands[static_cast<std::size_t>(o.same_as)]);
      continue;
    }
    const ScalarType own = o.of == Of::Integer ? kInt64 : o.of == Of::Mask ? kBool : dtype;
    operands.push_back(tensor_of(values[i], own, o.layout));
    operands.back().set_requires_grad(is_floating_point(own));
  }
  return operands;
}

std::vector<std::size_t> differentiable_operands(const Sample& sample) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < sample.operands.size(); ++i) {
    if (sample.operands[i].of == Of::Number && sample.operands[i].same_as < 0) {
      result.push_back(i);
    }
  }
  return result;
}

std::string python(const std::vector<std::int64_t>& list) {
  std::string text;
  for (const std::int64_t n : list) {
    text += (text.empty() ? "" : ", ") + std::to_string(n);
  }
  return "[" + text + "]";
}

std::string python(std::optional<std::int64_t> number) { return number ? std::to_string(*number) : "None"; }

std::string reproduce(const Sample& sample, const std::string& test_case) {
  return "reproduce: BACKFLOW_SAMPLE='" + sample.title() + "' test_ops '" + test_case + "'";
}

}  // namespace backflow::test
