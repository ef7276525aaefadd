#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <limits>

#include <backflow/nn/archive/input_archive.h>
#include <backflow/nn/archive/output_archive.h>
#include <backflow/nn/load_report.h>
#include <backflow/nn/ordered_dict.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::optim::detail {

/// The number in a tensor of one element, of any dtype; nothing for any other tensor.
std::optional<double> number_of(const Tensor& x);
/// The same, where it is a whole number of 64 bits.
std::optional<std::int64_t> integer_of(const Tensor& x);
/// A tensor without dimensions.
Tensor number(std::int64_t value);
Tensor number(double value);

/// Reads numbers out of a state_dict, and reports those that are not there or do not fit.
class NumberReader {
 public:
  explicit NumberReader(const OrderedDict<std::string, Tensor>& dict) : given_(backflow::detail::by_name(dict)) {}
  void read(const std::string& name, double& value);
  /// A whole number from 0 to the most that T holds.
  template <class T>
  void read(const std::string& name, T& value) {
    std::int64_t read = 0;
    if (read_integer(name, std::numeric_limits<T>::max(), read)) {
      value = static_cast<T>(read);
    }
  }
  const LoadReport& report() const { return report_; }

 private:
  const Tensor* find(const std::string& name);
  bool read_integer(const std::string& name, std::int64_t most, std::int64_t& value);

  std::unordered_map<std::string, const Tensor*> given_;
  LoadReport report_;
};

/// Writes all tensors of a state_dict to an archive.
void write_all(serialize::OutputArchive& archive, const OrderedDict<std::string, Tensor>& dict);
/// The tensors, numbers and truth values of an archive, as a state_dict.
OrderedDict<std::string, Tensor> numbers_of(const serialize::InputArchive& archive);

}  // namespace backflow::optim::detail
