#include <backflow/nn/archive/input_archive.h>
#include <backflow/nn/archive/output_archive.h>
#include <backflow/nn/module.h>
#include <backflow/ops/creation/creation.h>

namespace backflow::nn {
namespace {

using Copies = std::vector<std::pair<Tensor, Tensor>>;

/// Plans to copy `value`, null if there is none, or adds to the report why not.
void plan(const std::string& name, const Tensor& target, const Tensor* value, Copies& copies, LoadReport& report) {
  // Files of PyTorch before 0.4.1 lack this counter.
  const std::string leaf = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
  if (value == nullptr && leaf == "num_batches_tracked" && target.scalar_type() == kInt64) {
    copies.emplace_back(target, zeros(target.sizes(), kInt64));
  } else if (value == nullptr) {
    report.missing.push_back(name);
  } else if (backflow::detail::can_copy(name, target, *value, report)) {
    copies.emplace_back(target, *value);
  }
}

}  // namespace

LoadReport Module::load_state_dict(const OrderedDict<std::string, Tensor>& dict, bool strict) {
  LoadReport report;
  Copies copies;
  const auto given = backflow::detail::by_name(dict);
  const OrderedDict<std::string, Tensor> ours = state_dict();
  for (const auto& item : ours) {
    const auto found = given.find(item.key());
    plan(item.key(), item.value(), found == given.end() ? nullptr : found->second, copies, report);
  }
  const auto known = backflow::detail::by_name(ours);
  for (const auto& item : dict) {
    if (!known.contains(item.key())) {
      report.unexpected.push_back(item.key());
    }
  }
  if (strict) {
    backflow::detail::check_fits(report, class_name() + ": load_state_dict");
  }
  backflow::detail::copy_all(copies);
  return report;
}

void Module::save(serialize::OutputArchive& archive) const {
  for (const auto* tensors : {&parameters_, &buffers_}) {
    for (const auto& item : *tensors) {
      if (item.value().defined()) {
        archive.write(item.key(), item.value(), tensors == &buffers_);
      }
    }
  }
  for (const auto& child : children_) {
    if (child.value()->is_serializable()) {
      serialize::OutputArchive nested;
      child.value()->save(nested);
      archive.write(child.key(), nested);
    }
  }
}

void Module::load(serialize::InputArchive& archive) {
  const bool is_outermost = archive.pending_ == nullptr;
  if (is_outermost) {
    archive.pending_ = std::make_shared<serialize::PendingLoad>();
  }
  const std::shared_ptr<serialize::PendingLoad> pending = archive.pending_;
  try {
    plan_load(archive);
  } catch (...) {
    archive.pending_.reset();
    throw;
  }
  if (is_outermost) {
    archive.pending_.reset();
    backflow::detail::check_fits(pending->report, archive.where() + ": " + class_name());
    backflow::detail::copy_all(pending->copies);
  }
}

void Module::plan_load(serialize::InputArchive& archive) {
  for (const auto* tensors : {&parameters_, &buffers_}) {
    for (const auto& item : *tensors) {
      if (item.value().defined()) {
        Tensor value;
        const bool is_there = archive.try_read(item.key(), value);
        plan(archive.prefix_ + item.key(), item.value(), is_there ? &value : nullptr, archive.pending_->copies,
             archive.pending_->report);
      }
    }
  }
  for (const auto& child : children_) {
    if (child.value()->is_serializable()) {
      serialize::InputArchive nested;
      if (!archive.try_read(child.key(), nested)) {
        nested.prefix_ = archive.prefix_ + child.key() + ".";  // of an archive that holds nothing
        nested.pending_ = archive.pending_;
      }
      child.value()->load(nested);
    }
  }
}

}  // namespace backflow::nn
