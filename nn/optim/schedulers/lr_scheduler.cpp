#include <backflow/nn/optim/schedulers/lr_scheduler.h>

#include <limits>

#include <backflow/nn/archive/input_archive.h>
#include <backflow/nn/archive/output_archive.h>
#include <backflow/nn/optim/state_values_internal.h>

namespace backflow::optim {

void LRScheduler::step() {
  set_lrs(get_lrs());
  ++step_count_;
}

void LRScheduler::set_lrs(const std::vector<double>& lrs) {
  std::vector<OptimizerParamGroup>& groups = optimizer_.param_groups();
  check(lrs.size() == groups.size(), "lr_scheduler: ", lrs.size(), " learning rates for ", groups.size(),
        " groups: need one for each");
  for (std::size_t i = 0; i < lrs.size(); ++i) {
    groups[i].options().set_lr(lrs[i]);
  }
}

std::vector<double> LRScheduler::get_current_lrs() const {
  std::vector<double> lrs;
  lrs.reserve(optimizer_.param_groups().size());
  for (const OptimizerParamGroup& group : optimizer_.param_groups()) {
    lrs.push_back(group.options().get_lr());
  }
  return lrs;
}

OrderedDict<std::string, Tensor> LRScheduler::state_dict() const {
  OrderedDict<std::string, Tensor> out;
  if (const std::vector<double>* const base = const_cast<LRScheduler*>(this)->base_lrs()) {
    for (std::size_t i = 0; i < base->size(); ++i) {
      out.insert("base_lrs." + std::to_string(i), detail::number((*base)[i]));
    }
  }
  out.insert("last_epoch", detail::number(std::int64_t{step_count_}));
  out.insert("_step_count", detail::number(std::int64_t{step_count_} + 1));
  const std::vector<double> lrs = get_current_lrs();
  for (std::size_t i = 0; i < lrs.size(); ++i) {
    out.insert("_last_lr." + std::to_string(i), detail::number(lrs[i]));
  }
  return out;
}

LoadReport LRScheduler::load_state_dict(const OrderedDict<std::string, Tensor>& dict, bool strict) {
  detail::NumberReader reader(dict);
  unsigned steps = step_count_;
  reader.read("last_epoch", steps);
  std::vector<double>* const ours = base_lrs();
  std::vector<double> base = ours != nullptr ? *ours : std::vector<double>();
  for (std::size_t i = 0; i < base.size(); ++i) {
    reader.read("base_lrs." + std::to_string(i), base[i]);
  }
  if (strict) {
    backflow::detail::check_fits(reader.report(), "lr_scheduler: load_state_dict");
  }
  step_count_ = steps;
  if (ours != nullptr) {
    *ours = std::move(base);
  }
  return reader.report();
}

void LRScheduler::save(serialize::OutputArchive& archive) const { detail::write_all(archive, state_dict()); }
void LRScheduler::load(serialize::InputArchive& archive) { load_state_dict(detail::numbers_of(archive)); }

}  // namespace backflow::optim
