#pragma once

#include <backflow/train/data/batch_maker.h>

namespace backflow::train {

/// What a run is trained and evaluated on. Evaluations between steps are on validation data, or on test data where
/// there are none; the last one is on test data, too.
struct RunData {
  const BatchMaker& train;
  const BatchMaker* validation = nullptr;  ///< may be null
  const BatchMaker* test = nullptr;        ///< may be null
};

}  // namespace backflow::train
