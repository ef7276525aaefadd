#pragma once

// The workloads of bench_workloads and bench_profile by name.

#include <string>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace torch = backflow;

#include <backflow/bench/branches.h>
#include <backflow/bench/classifiers.h>
#include <backflow/bench/harness.h>
#include <backflow/bench/small_ops.h>

namespace bench {

/// False if there is none of this name. A classifier writes its initial values to the folder `data`, unless that is
/// empty.
inline bool find_workload(const std::string& name, const std::string& data, Workload& found) {
  if (name == "mlp") {
    found = classifier<Mlp>(data);
  } else if (name == "towers8") {
    found = classifier<Towers>(data);
  } else if (name == "lenet") {
    found = classifier<LeNet>(data);
  } else if (name == "inception") {
    found = classifier<Inception>(data);
  } else if (name == "resnet18") {
    found = classifier<ResNet18>(data);
  } else if (name == "resnet18_winograd") {
    found = classifier<WinogradResNet18>(data);
  } else if (name == "resnet18_small") {
    found = classifier<SmallResNet18>(data);
  } else if (name == "branches8") {
    found = branches8();
  } else {
    return find_small(name, found);
  }
  return true;
}

}  // namespace bench
