// The other side of scripts/compare_torch.py: computes every operator sample and prints it, one JSON object a line.
//
//   samples_dump        BACKFLOW_SAMPLE=TITLE samples_dump
//
// A sample has `title`, `op`, `torch` and `runs`, one for each dtype: its operands, and our result with its gradients
// in the direction `dy`, or the text of our Error. Numbers are exact; NaN and infinities are written as Python does.
#include <charconv>
#include <cmath>
#include <iostream>
#include <string>

#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/tests/support/samples.h>

namespace {

using namespace backflow;
using namespace backflow::test;

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
    }
    result += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return result + "\"";
}

template <class T>
std::string number(T value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string number(double value) {
  if (std::isfinite(value)) {
    return number<double>(value);
  }
  return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

template <class List>
std::string list(const List& items) {
  std::string text;
  for (const auto& item : items) {
    text += (text.empty() ? "" : ",") + std::string(item);
  }
  return "[" + text + "]";
}

std::string numbers(IntArrayRef values) {
  std::vector<std::string> items;
  for (const std::int64_t value : values) {
    items.push_back(number(value));
  }
  return list(items);
}

/// The elements in row-major order.
std::string values_of(const Tensor& x) {
  std::vector<std::string> items;
  const Tensor rows = x.detach().contiguous();
  dispatch(rows.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < rows.numel(); ++i) {
      const T value = rows.data_ptr<T>()[i];
      if constexpr (is_floating_point(DtypeOf<T>::value)) {
        items.push_back(number(static_cast<double>(value)));
      } else {
        items.push_back(number(static_cast<std::int64_t>(value)));
      }
    }
  });
  return list(items);
}

std::string text_of(const Tensor& x) {
  if (!x.defined()) {
    return "null";
  }
  return to_text("{\"dtype\":", quoted(name(x.scalar_type())), ",\"sizes\":", numbers(x.sizes()),
                 ",\"strides\":", numbers(x.strides()), ",\"offset\":", x.storage_offset(),
                 ",\"requires_grad\":", x.requires_grad() ? "true" : "false",
                 ",\"grad_fn\":", x.grad_fn() ? quoted(x.grad_fn()->name()) : "null", ",\"values\":", values_of(x),
                 "}");
}

std::string texts_of(const Tensors& list_of_tensors) {
  std::vector<std::string> items;
  for (const Tensor& x : list_of_tensors) {
    items.push_back(text_of(x));
  }
  return list(items);
}

/// The gradients in a fixed direction, whose elements are exact in float32.
std::string gradients_text(const Sample& sample, const Tensors& operands, const Tensor& y) {
  const Array values = random_array(y.sizes().vec(), "dy");
  const Tensor dy =
      tensor_of(map(values, [](double v) { return static_cast<double>(static_cast<float>(v)); }), y.scalar_type());
  Tensors inputs;
  std::vector<std::string> numbers_of_inputs;
  for (const std::size_t i : differentiable_operands(sample)) {
    inputs.push_back(operands[i]);
    numbers_of_inputs.push_back(number(i));
  }
  const Tensors gradients = autograd::grad({y}, inputs, {dy}, std::nullopt, false, true);
  return to_text(",\"dy\":", text_of(dy), ",\"inputs\":", list(numbers_of_inputs),
                 ",\"gradients\":", texts_of(gradients));
}

std::string run(const Sample& sample, ScalarType dtype) {
  const bool with_gradients = dtype == kFloat32 || dtype == kFloat64;
  const Tensors operands =
      operands_of(sample, with_gradients ? operand_values(sample) : values_in(sample, dtype), dtype);
  std::vector<std::string> same_as;
  for (const Operand& operand : sample.operands) {
    same_as.push_back(number(operand.same_as));
  }
  std::string text =
      to_text("{\"dtype\":", quoted(name(dtype)), ",\"operands\":", texts_of(operands), ",\"same_as\":", list(same_as));
  try {
    const Tensor y = sample.call(operands);
    const std::string gradients = with_gradients && y.requires_grad() ? gradients_text(sample, operands, y) : "";
    text += to_text(",\"y\":", text_of(y), gradients);
  } catch (const Error& error) {
    text += to_text(",\"error\":", quoted(error.what()));
  }
  return text + "}";
}

}  // namespace

int main() {
  for (const Sample& sample : samples()) {
    std::vector<std::string> runs;
    for (const ScalarType dtype : kAllDtypes) {
      runs.push_back(run(sample, dtype));
    }
    std::cout << "{\"title\":" << quoted(sample.title()) << ",\"op\":" << quoted(sample.op)
              << ",\"torch\":" << quoted(sample.torch) << ",\"runs\":" << list(runs) << "}" << std::endl;
  }
  return 0;
}
