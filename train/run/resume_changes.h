#pragma once

#include <string>
#include <vector>

#include <backflow/io/dump.h>
#include <backflow/train/run/agreement.h>

namespace backflow::train {

/// Whether a run that goes on from a dump may have another value for `name` just so: the number of steps, the learning
/// rate and other numbers of the optimizer, what is dumped and how data files are called. Any other key decides what
/// the run without a break would have computed.
bool may_change(const std::string& name);

struct AllowedChanges {
  std::vector<std::string> notes;   ///< a sentence for each, and for what cannot be checked
  bool of_optimizer_state = false;  ///< the optimizer keeps another state than that of the dump's run did
};

/// Compares a run with the one that made the dump `path`. `now` are the values of its configuration, and what its data
/// are as data.train and data.test. `allowed` are names, or sections as "data", that may differ (--allow-change).
/// Throws io::ConfigError for those that differ and must not, with both values.
AllowedChanges check_changes(const std::string& path, const io::Dump& dump, const Facts& now,
                             const std::vector<std::string>& allowed);

/// Throws io::ConfigError for a name of --allow-change that is neither a key of `now` nor a section.
void check_allowed_names(const std::vector<std::string>& allowed, const Facts& now);

}  // namespace backflow::train
