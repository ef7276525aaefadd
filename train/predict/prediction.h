#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <backflow/distributed/communicator.h>
#include <backflow/train/predict/prediction_data.h>

namespace backflow::train {

/// Computes what a model gives for each sample, in batches that the ranks share out, and writes it into a RowFile on
/// rank 0, in the order of the samples. Of a classification the classes too. No rank has more than a batch of data and
/// the results of a round in memory. Returns the number of samples. Collective.
std::int64_t write_predictions(const PredictionSetup& setup, std::int64_t batch_size, const std::string& file,
                               distributed::Communicator& world);

}  // namespace backflow::train
