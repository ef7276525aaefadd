#include <backflow/train/predict/prediction.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include <backflow/io/row_file.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

Tensor predict_batch(const PredictionSetup& setup, std::int64_t first, std::int64_t n) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(n));
  std::iota(indices.begin(), indices.end(), first);
  return contiguous(setup.task->predict(setup.model.forward(setup.data.make(indices).x)));
}

/// The place of the largest number of each row; of equal ones the first.
std::vector<std::int64_t> largest_of(const Tensor& rows) {
  std::vector<std::int64_t> classes;
  const std::int64_t n = rows.size(1);
  dispatch_floating(rows.scalar_type(), "predict", [&](auto zero) {
    for (std::int64_t i = 0; i < rows.size(0); ++i) {
      const auto* row = rows.const_data_ptr<decltype(zero)>() + i * n;
      classes.push_back(std::max_element(row, row + n) - row);
    }
  });
  return classes;
}

std::string bytes_of(const Tensor& rows) {
  return {static_cast<const char*>(rows.const_data_ptr()), static_cast<std::size_t>(rows.nbytes())};
}

/// The rows that another rank has sent, in the place of tensor `like`.
Tensor rows_from(const std::string& bytes, std::int64_t n, const DimVector& row_shape, ScalarType dtype) {
  DimVector sizes = {n};
  for (const std::int64_t size : row_shape) {
    sizes.push_back(size);
  }
  Tensor rows = empty_tensor(sizes, dtype);
  check(bytes.size() == static_cast<std::size_t>(rows.nbytes()), "predict: a rank sent ", bytes.size(), " bytes: need ",
        rows.nbytes());
  std::memcpy(rows.mutable_data_ptr(), bytes.data(), bytes.size());
  return rows;
}

io::RowLayout layout_of(const PredictionSetup& setup, const DimVector& row_shape, ScalarType dtype) {
  io::RowLayout layout{.rows = setup.data.size(), .row_shape = row_shape, .dtype = dtype};
  layout.has_class = setup.task->has_classes() && row_shape.size() == 1;
  layout.names = setup.task->output_names();
  layout.classes = layout.has_class ? layout.names : std::vector<std::string>();
  return layout;
}

}  // namespace

std::int64_t write_predictions(const PredictionSetup& setup, std::int64_t batch_size, const std::string& file,
                               distributed::Communicator& world) {
  const NoGradGuard no_grad;
  setup.model.module->eval();
  const std::int64_t n = setup.data.size();
  std::unique_ptr<io::RowFile> out;
  for (std::int64_t round = 0; round < n; round += batch_size * world.size()) {
    const auto part = [&](int rank) { return round + rank * batch_size; };
    const auto size_of = [&](int rank) { return std::clamp<std::int64_t>(n - part(rank), 0, batch_size); };
    Tensor mine;
    run_on_all_ranks(world, [&] {
      if (size_of(world.rank()) > 0) {
        mine = predict_batch(setup, part(world.rank()), size_of(world.rank()));
      }
    });
    const std::vector<std::string> all =
        world.size() > 1 ? world.all_gather(mine.defined() ? bytes_of(mine) : "") : std::vector<std::string>();
    run_on_rank_0(world, [&] {
      DimVector row_shape(mine.sizes());  // rank 0 has the first part of each round
      row_shape.erase(0);
      if (out == nullptr) {
        out = io::RowFile::create(file, layout_of(setup, row_shape, mine.scalar_type()));
      }
      for (int rank = 0; rank < world.size() && size_of(rank) > 0; ++rank) {
        const Tensor rows =
            rank == 0 ? mine
                      : rows_from(all[static_cast<std::size_t>(rank)], size_of(rank), row_shape, mine.scalar_type());
        const bool classes = setup.task->has_classes() && rows.dim() == 2;
        out->append(rows, classes ? largest_of(rows) : std::vector<std::int64_t>());
      }
    });
  }
  run_on_rank_0(world, [&] {
    if (out != nullptr) {
      out->commit();
    }
  });
  return n;
}

}  // namespace backflow::train
