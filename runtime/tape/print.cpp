// Printing in PyTorch's Python form: 4 digits, 80 columns, `...` in the middle of tensors of more than 1,000 elements.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <string>
#include <vector>

#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow {
namespace {

constexpr std::int64_t kLineWidth = 80;
constexpr std::int64_t kEdgeItems = 3;     // shown at each end of a summarized dimension
constexpr std::int64_t kThreshold = 1000;  // elements beyond which a tensor is summarized
const std::string kPrefix = "tensor(";

std::string printf_double(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// How the elements of one tensor are written: all in one form and to one width.
class Formatter {
 public:
  Formatter(const std::vector<Scalar>& shown, bool floating) : floating_(floating) {
    if (!floating_) {
      for (const Scalar& v : shown) {
        width_ = std::max(width_, whole(v).size());
      }
      return;
    }
    std::vector<double> values;
    for (const Scalar& v : shown) {
      const auto value = v.to<double>();
      if (std::isfinite(value) && value != 0) {
        values.push_back(value);
      }
    }
    if (values.empty()) {
      return;
    }
    choose_form(values);
    for (const double value : values) {
      width_ = std::max(width_, write(value).size());
    }
  }

  std::size_t width() const { return width_; }

  std::string operator()(const Scalar& v) const {
    const std::string text = floating_ ? write(v.to<double>()) : whole(v);
    return std::string(width_ - std::min(width_, text.size()), ' ') + text;
  }

 private:
  static std::string whole(const Scalar& v) {
    if (v.is_boolean()) {
      return v.toBool() ? "True" : "False";
    }
    return std::to_string(v.to<std::int64_t>());
  }

  void choose_form(const std::vector<double>& values) {
    double smallest = std::abs(values[0]);
    double largest = smallest;
    for (const double value : values) {
      smallest = std::min(smallest, std::abs(value));
      largest = std::max(largest, std::abs(value));
      whole_ = whole_ && value == std::ceil(value);
    }
    scientific_ = largest / smallest > 1000 || largest > 1e8 || (!whole_ && smallest < 1e-4);
  }

  std::string write(double value) const {
    if (std::isnan(value)) {
      return "nan";
    }
    if (std::isinf(value)) {
      return value < 0 ? "-inf" : "inf";
    }
    if (scientific_) {
      return printf_double("%.4e", value);
    }
    return whole_ ? printf_double("%.0f.", value) : printf_double("%.4f", value);
  }

  bool floating_;
  bool whole_ = true;
  bool scientific_ = false;
  std::size_t width_ = 1;
};

class Printer {
 public:
  explicit Printer(const Tensor& x) : x_(x), summarize_(x.numel() > kThreshold), format_(shown(), floating()) {}

  std::string text() const {
    if (x_.dim() == 0) {
      return format_(at(x_.storage_offset()));
    }
    return dimension(0, x_.storage_offset(), static_cast<std::int64_t>(kPrefix.size()));
  }

 private:
  bool floating() const { return x_.is_floating_point(); }

  /// The element at an offset in the storage.
  Scalar at(std::int64_t offset) const {
    return dispatch(x_.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      return Scalar(reinterpret_cast<const T*>(x_.impl().storage->data())[offset]);
    });
  }

  /// The indices of a dimension that are printed, -1 for the `...` between them.
  std::vector<std::int64_t> indices(std::size_t d) const {
    const std::int64_t n = x_.sizes()[d];
    std::vector<std::int64_t> result;
    for (std::int64_t i = 0; i < n; ++i) {
      if (summarize_ && n > 2 * kEdgeItems && i == kEdgeItems) {
        result.push_back(-1);
        i = n - kEdgeItems;
      }
      result.push_back(i);
    }
    return result;
  }

  std::vector<Scalar> shown() const {
    std::vector<std::int64_t> offsets = {x_.storage_offset()};
    for (std::size_t d = 0; d < x_.sizes().size(); ++d) {
      std::vector<std::int64_t> next;
      for (const std::int64_t offset : offsets) {
        for (const std::int64_t i : indices(d)) {
          if (i >= 0) {
            next.push_back(offset + i * x_.strides()[d]);
          }
        }
      }
      offsets = std::move(next);
    }
    std::vector<Scalar> values;
    values.reserve(offsets.size());
    for (const std::int64_t offset : offsets) {
      values.push_back(at(offset));
    }
    return values;
  }

  std::string dimension(std::size_t d, std::int64_t offset, std::int64_t indent) const {
    const std::size_t below = x_.sizes().size() - 1 - d;
    std::string separator = ", ";
    std::int64_t per_line = x_.sizes()[d] + 1;
    if (below == 0) {
      const auto element = static_cast<std::int64_t>(format_.width()) + 2;
      per_line = std::max<std::int64_t>(1, (kLineWidth - indent) / element);
    } else {
      separator = "," + std::string(below, '\n') + std::string(static_cast<std::size_t>(indent) + 1, ' ');
    }
    std::string text = "[";
    std::int64_t count = 0;
    for (const std::int64_t i : indices(d)) {
      if (count > 0) {
        text += count % per_line == 0 ? ",\n" + std::string(static_cast<std::size_t>(indent) + 1, ' ') : separator;
      }
      ++count;
      if (i < 0) {
        text += below == 0 ? " ..." : "...";
      } else {
        const std::int64_t next = offset + i * x_.strides()[d];
        text += below == 0 ? format_(at(next)) : dimension(d + 1, next, indent + 1);
      }
    }
    return text + "]";
  }

  const Tensor& x_;
  bool summarize_;
  Formatter format_;
};

std::vector<std::string> suffixes(const Tensor& x) {
  std::vector<std::string> result;
  const bool empty = x.numel() == 0;
  if (empty && x.dim() != 1) {
    std::string sizes = "size=(";
    for (std::int64_t d = 0; d < x.dim(); ++d) {
      sizes += (d == 0 ? "" : ", ") + std::to_string(x.size(d));
    }
    result.push_back(sizes + ")");
  }
  const bool is_plain = x.scalar_type() == kInt64 || x.scalar_type() == kBool;  // what the elements show
  if (x.scalar_type() != kFloat32 && (empty || !is_plain)) {
    result.push_back(to_text("dtype=torch.", name(x.scalar_type())));
  }
  if (x.grad_fn()) {
    result.push_back(to_text("grad_fn=<", x.grad_fn()->name(), ">"));
  } else if (x.requires_grad()) {
    result.emplace_back("requires_grad=True");
  }
  return result;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& x) {
  if (!x.defined()) {
    return out << "[ Tensor (undefined) ]";
  }
  std::string text = kPrefix + (x.numel() == 0 ? "[]" : Printer(x).text());
  const std::size_t newline = text.rfind('\n');
  // PyTorch counts the last line so, its newline and one more included.
  auto line = static_cast<std::int64_t>(text.size() + 1 - newline);  // npos, which is -1, without a newline
  for (const std::string& suffix : suffixes(x)) {
    const auto length = static_cast<std::int64_t>(suffix.size());
    if (line + length + 2 > kLineWidth) {
      text += ",\n" + std::string(kPrefix.size(), ' ') + suffix;
      line = static_cast<std::int64_t>(kPrefix.size()) + length;
    } else {
      text += ", " + suffix;
      line += length + 2;
    }
  }
  return out << text << ')';
}

}  // namespace backflow
