#pragma once

#include <iosfwd>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <backflow/nn/ordered_dict.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

/// Names that did not fit when a state_dict was loaded.
struct LoadReport {
  struct Mismatch {
    std::string name;
    std::string needed;  ///< what takes the value, as "f32[10, 784]"
    std::string given;
  };
  std::vector<std::string> missing;     ///< of the module or optimizer, not given
  std::vector<std::string> unexpected;  ///< given, not of the module or optimizer
  std::vector<Mismatch> mismatched;     ///< of both, with another shape, kind of dtype or value

  bool fits() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
};

/// Prints all names, as "missing 'a.bias'; unexpected 'b'; mismatched 'c' (f32[2] given, need f32[3])".
std::ostream& operator<<(std::ostream& stream, const LoadReport& report);

namespace detail {

/// The values of a dictionary by name. The dictionary must outlive it.
std::unordered_map<std::string, const Tensor*> by_name(const OrderedDict<std::string, Tensor>& dict);
/// Throws Error that lists all names unless the report says that all fits.
void check_fits(const LoadReport& report, const std::string& where);
/// Whether the value can be copied to the target: it has the same shape, and the same dtype unless both are
/// floating-point. Otherwise adds to the report.
bool can_copy(const std::string& name, const Tensor& target, const Tensor& value, LoadReport& report);
/// Copies each second tensor to its first, off the tape.
void copy_all(const std::vector<std::pair<Tensor, Tensor>>& copies);

}  // namespace detail
}  // namespace backflow
