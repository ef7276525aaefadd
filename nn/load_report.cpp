#include <backflow/nn/load_report.h>

#include <ostream>

#include <backflow/runtime/tape/grad_mode.h>

namespace backflow {
namespace {

void print_names(std::ostream& stream, const char* what, const std::vector<std::string>& names,
                 const char*& separator) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == 0) {
      stream << separator << what << ' ';
      separator = "; ";
    }
    stream << (i == 0 ? "'" : ", '") << names[i] << '\'';
  }
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const LoadReport& report) {
  const char* separator = "";
  print_names(stream, "missing", report.missing, separator);
  print_names(stream, "unexpected", report.unexpected, separator);
  for (std::size_t i = 0; i < report.mismatched.size(); ++i) {
    const LoadReport::Mismatch& one = report.mismatched[i];
    stream << (i > 0 ? ", " : separator) << (i > 0 ? "" : "mismatched ") << '\'' << one.name << "' (" << one.given
           << " given, need " << one.needed << ')';
  }
  return stream;
}

namespace detail {

std::unordered_map<std::string, const Tensor*> by_name(const OrderedDict<std::string, Tensor>& dict) {
  std::unordered_map<std::string, const Tensor*> out;
  for (const auto& item : dict) {
    out.emplace(item.key(), &item.value());
  }
  return out;
}

void check_fits(const LoadReport& report, const std::string& where) {
  check(report.fits(), where, ": ", report.missing.size() + report.unexpected.size() + report.mismatched.size(),
        " names do not fit: ", report, ": need the same names and shapes");
}

bool can_copy(const std::string& name, const Tensor& target, const Tensor& value, LoadReport& report) {
  const auto can_convert = [&] {
    return value.scalar_type() == target.scalar_type() || (value.is_floating_point() && target.is_floating_point());
  };
  if (value.defined() && value.sizes() == target.sizes() && can_convert()) {
    return true;
  }
  report.mismatched.push_back({name, to_text(describe(target)), to_text(describe(value))});
  return false;
}

void copy_all(const std::vector<std::pair<Tensor, Tensor>>& copies) {
  const NoGradGuard no_grad;
  for (const auto& [target, value] : copies) {
    target.copy_(value.detach());
  }
}

}  // namespace detail
}  // namespace backflow
