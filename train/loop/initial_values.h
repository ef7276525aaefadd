#pragma once

#include <string>
#include <vector>

#include <backflow/io/dump.h>
#include <backflow/nn/module.h>
#include <backflow/train/loop/loop_options.h>

namespace backflow::train {

/// What became of the tensors of a file that a model was to start from. Lists are in the order of the model, or of the
/// file for `unexpected`.
struct InitReport {
  std::vector<std::string> loaded;
  std::vector<std::string> converted;  ///< of those loaded, "fc.weight from bfloat16"
  /// Parameters and buffers that the file lacks, but for a `num_batches_tracked` whose statistics it has: it starts
  /// from 0.
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;  ///< tensors that the model lacks
  std::vector<std::string> mismatched;  ///< "fc.weight: f32[10, 84], in the file f32[100, 84]"
  std::vector<std::string> excluded;    ///< by init.exclude

  bool is_complete() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
  /// Lines for people: what was loaded, then each of the other lists that has an element.
  std::string text(const std::string& file) const;
};

/// Copies tensors into the parameters and buffers of the same names; values of other floating-point dtypes are
/// converted. The rest of the model stays as it is.
InitReport load_initial_values(const io::NamedTensors& tensors, const std::vector<std::string>& exclude,
                               const nn::Module& module);

/// The same from a file: a dump, or what io::read_tensors() reads. Throws io::ConfigError, at the key init.file, when
/// there is no such file, nothing in it fits, or init.strict asks for more than fits; Error for a damaged file.
InitReport load_initial_values(const InitOptions& options, const nn::Module& module);
/// Throws io::ConfigError, at the key init.file, when that names a file that is not there.
void check_initial_file(const InitOptions& options);

}  // namespace backflow::train
