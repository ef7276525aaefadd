#pragma once

#include <backflow/io/config.h>

namespace backflow::train {

/// [log]: what a run writes besides metrics.jsonl.
struct LogOptions {
  bool tensorboard = false;  ///< an event file of TensorBoard, with the numbers of steps and evaluations
};

inline LogOptions read_log(const io::Section& s) {
  return {
      .tensorboard = s.boolean(
          {"tensorboard", "write TensorBoard's event file, `events.out.tfevents.*`, into the run directory"}, false)};
}

}  // namespace backflow::train
