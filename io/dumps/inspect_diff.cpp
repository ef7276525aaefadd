#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include <backflow/exchange/row_major.h>
#include <backflow/io/dumps/dump_internal.h>
#include <backflow/io/dumps/inspect_internal.h>
#include <backflow/io/inspect.h>

namespace backflow::io {
namespace detail {

Tensor row_major(const Tensor& x) {
  if (x.is_contiguous()) return x;
  const std::vector<std::byte> bytes = row_major_bytes(x);
  Tensor copy = empty_tensor(x.sizes(), x.scalar_type());
  if (!bytes.empty()) std::memcpy(copy.mutable_data_ptr(), bytes.data(), bytes.size());
  return copy;
}

}  // namespace detail
namespace {

/// Parameters and buffers of a dump, with their groups.
NamedTensors dump_entries(const std::string& path) {
  NamedTensors tensors;
  for (detail::DumpEntry& entry : detail::read_raw_dump(path).entries) {
    if (entry.group != "parameters" && entry.group != "buffers") continue;
    const std::string name = "/" + entry.group + "/" + entry.name;
    check(entry.is_intact(), path, ": '", name, "' does not match its checksum: need an intact copy");
    tensors.emplace_back(name, std::move(entry.value));
  }
  return tensors;
}

template <class T>
bool same_bits(T x, T y) {
  using Bytes = std::array<std::byte, sizeof(T)>;
  return std::bit_cast<Bytes>(x) == std::bit_cast<Bytes>(y);
}

// Counts an element whose values are these.
void count(double x, double y, TensorDifference& difference) {
  ++difference.elements;
  const double distance = x == y ? 0.0 : std::abs(x - y);
  if (std::isnan(distance) || distance > difference.max_difference) difference.max_difference = distance;
}

// Counts the elements of two tensors of the same shape and dtype whose bits differ.
void compare_bits(const Tensor& a, const Tensor& b, TensorDifference& difference) {
  dispatch(a.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* x = a.const_data_ptr<T>();
    const T* y = b.const_data_ptr<T>();
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      if (!same_bits(x[i], y[i])) count(static_cast<double>(x[i]), static_cast<double>(y[i]), difference);
    }
  });
}

// Counts the elements that are further apart than `tolerance`.
void compare_numbers(const Tensor& a, const Tensor& b, double tolerance, TensorDifference& difference) {
  dispatch(a.scalar_type(), [&](auto zero_a) {
    dispatch(b.scalar_type(), [&](auto zero_b) {
      const auto* first = a.const_data_ptr<decltype(zero_a)>();
      const auto* second = b.const_data_ptr<decltype(zero_b)>();
      for (std::int64_t i = 0; i < a.numel(); ++i) {
        const auto x = static_cast<double>(first[i]);
        const auto y = static_cast<double>(second[i]);
        const bool equal = x == y || std::abs(x - y) <= tolerance || (std::isnan(x) && std::isnan(y));
        if (!equal) count(x, y, difference);
      }
    });
  });
}

TensorDifference compare(const std::string& name, const Tensor& a, const Tensor& b,
                         const std::optional<double>& tolerance) {
  TensorDifference difference{name, {}};
  if (a.scalar_type() != b.scalar_type() && !tolerance) {
    difference.problem = to_text("dtypes ", a.scalar_type(), " and ", b.scalar_type());
  } else if (a.sizes() != b.sizes()) {
    difference.problem = to_text("shapes ", a.sizes(), " and ", b.sizes());
  } else {
    const Tensor x = detail::row_major(a);
    const Tensor y = detail::row_major(b);
    if (tolerance) {
      compare_numbers(x, y, *tolerance, difference);
    } else {
      compare_bits(x, y, difference);
    }
    difference.problem = difference.elements > 0 ? "values" : "";
  }
  return difference;
}

}  // namespace

std::vector<TensorDifference> diff_files(const std::string& a, const std::string& b, const DiffOptions& options) {
  const bool are_dumps = format_of_file(a) == TensorFormat::Hdf5 && format_of_file(b) == TensorFormat::Hdf5;
  const auto read = [&](const std::string& path) {
    if (are_dumps) return dump_entries(path);
    const bool has_keys = format_of_file(path) == TensorFormat::Torch;
    return read_tensor_file(path, {.key = has_keys ? options.key : "", .access = Access::Mapped}).tensors;
  };
  const NamedTensors first = read(a);
  const NamedTensors second = read(b);
  std::map<std::string, const Tensor*> others;
  for (const auto& [name, x] : second) others.emplace(name, &x);
  std::vector<TensorDifference> result;
  for (const auto& [name, x] : first) {
    const auto other = others.find(name);
    if (other == others.end()) {
      result.push_back({name, "only in " + a});
      continue;
    }
    TensorDifference difference = compare(name, x, *other->second, options.tolerance);
    if (!difference.problem.empty()) result.push_back(std::move(difference));
    others.erase(other);
  }
  for (const auto& [name, x] : second) {
    if (others.contains(name)) result.push_back({name, "only in " + b});
  }
  return result;
}

}  // namespace backflow::io
