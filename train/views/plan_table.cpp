#include <backflow/train/views/plan_table.h>

#include <algorithm>

#include <backflow/train/formatted.h>
#include <backflow/train/model/summary.h>

namespace backflow::train {
namespace {

std::string mebibytes(double bytes) { return formatted("%.1f MiB", bytes / (1 << 20)); }

/// "2.36 M", as FLOP are counted.
std::string flop_text(double flop) {
  const char* const units[] = {"", " k", " M", " G", " T", " P"};
  std::size_t unit = 0;
  while (flop >= 1000 && unit + 1 < std::size(units)) {
    flop /= 1000;
    ++unit;
  }
  return formatted(unit == 0 ? "%.0f%s" : "%.3g%s", flop, units[unit]);
}

std::string row(const std::string& layer, const std::string& type, const std::string& shape,
                const std::string& parameters, const std::string& flop) {
  return formatted("  %-28s %-20s %-18s %12s %9s\n", layer.c_str(), type.c_str(), shape.c_str(), parameters.c_str(),
                   flop.c_str());
}

}  // namespace

std::string plan_table(const Model& model, const PlanFacts& facts) {
  std::string text = row("layer", "type", "output", "parameters", "FLOP");
  double activations = static_cast<double>(numel_of(facts.sample_shape));
  double flop = 0;
  for (const LayerSummary& layer : summarize(model, facts.sample_shape)) {
    text += row(layer.path, layer.type, to_text(layer.output_shape), std::to_string(layer.parameters),
                flop_text(layer.flop));
    activations += static_cast<double>(numel_of(layer.output_shape));
    flop += layer.flop;
  }
  double parameters = 0;
  for (const auto& parameter : model.module->named_parameters()) {
    parameters += static_cast<double>(parameter.value().numel());
  }
  text += row("all", "", to_text(model.output_shape), formatted("%.0f", parameters), flop_text(flop));
  const auto bytes = static_cast<double>(element_size(facts.dtype));
  const double of_one = parameters * bytes;
  const double state = of_one * static_cast<double>(std::max(facts.copies - 2, std::int64_t{0}));
  const double kept = activations * bytes * static_cast<double>(facts.samples_of_rank);
  text += formatted(
      "memory of a rank, about %s: parameters %s, gradients %s, optimizer's state %s, activations of %lld "
      "samples %s\n",
      mebibytes(2 * of_one + state + kept).c_str(), mebibytes(of_one).c_str(), mebibytes(of_one).c_str(),
      mebibytes(state).c_str(), static_cast<long long>(facts.samples_of_rank), mebibytes(kept).c_str());
  if (facts.snapshot_copies > 0) {
    text += formatted("rank 0 %s more for the copy of a dump while it is written (checkpoint.async)\n",
                      mebibytes(of_one * static_cast<double>(facts.snapshot_copies)).c_str());
  }
  return text + formatted("%lld steps per epoch, %lld in all\n", static_cast<long long>(facts.steps_per_epoch),
                          static_cast<long long>(facts.steps));
}

}  // namespace backflow::train
