#pragma once

#include <string>

#include <backflow/train/experiment.h>
#include <backflow/train/model/model.h>
#include <backflow/train/run/platform.h>
#include <backflow/train/run_data.h>

namespace backflow::train {

/// What a run says before it starts, in lines of at most 80 columns where words allow it:
///
///   model mlp: 669,706 parameters in 6 tensors
///   data: 60,000 samples of [1, 28, 28] in 10 classes, 10,000 for testing
///   10 epochs of 469 steps, 128 samples a step: 64 on each of 2 ranks
///   node01: ranks 0-1: 1 thread each, cores 0-1
///   instruction sets: oneDNN avx512_core_amx, Highway AVX3_SPR
std::string start_report(const Experiment& experiment, const Model& model, const RunData& data, int ranks,
                         const Platform& platform);

/// What to say of train.micro_batches for a model whose layers don't compute sample by sample, or draw numbers; empty
/// when it has none, or a batch stays whole.
std::string micro_batches_note(const Model& model, std::int64_t micro_batches);

/// Breaks a line at spaces so that it has at most `width` columns where it can; what follows the first is indented.
std::string wrapped(const std::string& line, std::size_t width = 80);

/// "60,000".
std::string with_commas(std::int64_t number);

}  // namespace backflow::train
