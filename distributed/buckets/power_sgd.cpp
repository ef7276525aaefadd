#include <backflow/distributed/buckets/power_sgd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>

#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/tensor/gradient_ops.h>

namespace backflow::distributed {
namespace {

constexpr std::string_view kError = ".powersgd_error";
constexpr std::string_view kQ = ".powersgd_q";
/// Keeps these random numbers apart from others of the same seed.
constexpr std::uint64_t kStream = std::uint64_t{0x10f7} << 48;

/// What shrinks by less is sent as it is: the last layer of a classifier has few rows, which a low rank costs most.
constexpr std::int64_t kLeastSaving = 4;

void clear(const Tensor& x) {
  if (x.numel() > 0) {
    std::memset(x.mutable_data_ptr(), 0, x.nbytes());
  }
}

void copy(const Tensor& to, const Tensor& from) {
  if (from.numel() > 0) {
    std::memcpy(to.mutable_data_ptr(), from.const_data_ptr(), from.nbytes());
  }
}

/// Numbers in [-1, 1).
Tensor random_rows(std::int64_t rank, std::int64_t cols, ScalarType dtype, std::uint64_t seed, std::uint64_t number) {
  Tensor x = empty_tensor({rank, cols}, dtype);
  PhiloxStream random(seed, kStream | number);
  dispatch_floating(dtype, "power_sgd", [&](auto zero) {
    using T = decltype(zero);
    std::generate_n(x.mutable_data_ptr<T>(), x.numel(), [&] {
      constexpr double kScale = 1.0 / 9007199254740992.0;  // 2^-53
      return static_cast<T>(2 * static_cast<double>(random.next64() >> 11) * kScale - 1);
    });
  });
  return x;
}

const Tensor* find(std::span<const std::pair<std::string, Tensor>> state, const std::string& name) {
  const auto at = std::find_if(state.begin(), state.end(), [&](const auto& item) { return item.first == name; });
  return at == state.end() ? nullptr : &at->second;
}

/// State is kept under the parameters' names.
void check_names(std::span<const std::string> names, std::size_t parameters) {
  check(names.size() >= parameters, "powersgd: ", names.size(), " names for ", parameters,
        " parameters: need one for each, to keep their state; DataParallelOptions has them");
}

}  // namespace

LowRank* PowerSgd::find_or_add(std::size_t number, const Tensor& parameter) {
  matrices_.resize(std::max(matrices_.size(), number + 1));
  if (matrices_[number] || parameter.dim() < 2 || parameter.numel() == 0) {
    return matrices_[number].get();
  }
  const std::int64_t rows = parameter.sizes()[0];
  const std::int64_t cols = parameter.numel() / rows;
  const std::int64_t rank = std::min({rank_, rows, cols});
  const ScalarType dtype = parameter.scalar_type();
  if (kLeastSaving * rank * (rows + cols) >= parameter.numel() || (dtype != kFloat32 && dtype != kFloat64)) {
    return nullptr;
  }
  LowRank matrix{rows,
                 cols,
                 rank,
                 empty_tensor({rows * cols}, dtype),
                 empty_tensor({rank, cols}, dtype),
                 random_rows(rank, cols, dtype, seed_, number)};
  clear(matrix.error);
  copy(matrix.q, matrix.start);
  matrices_[number] = std::make_unique<LowRank>(std::move(matrix));
  return matrices_[number].get();
}

bool PowerSgd::is_own(const std::string& name) { return name.ends_with(kError) || name.ends_with(kQ); }

std::vector<std::pair<std::string, Tensor>> PowerSgd::save(std::span<const std::string> names,
                                                           Communicator& communicator) {
  check_names(names, matrices_.size());
  std::vector<std::pair<std::string, Tensor>> state;
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    if (LowRank* const matrix = matrices_[i].get()) {
      communicator.all_reduce_sum(matrix->error);
      Tensor error = empty_tensor({matrix->rows, matrix->cols}, matrix->error.scalar_type());
      Tensor q = empty_tensor({matrix->rank, matrix->cols}, matrix->q.scalar_type());
      copy(error, matrix->error);
      copy(q, matrix->q);
      if (communicator.rank() != 0) {
        clear(matrix->error);
        continue;
      }
      state.emplace_back(names[i] + std::string(kError), std::move(error));
      state.emplace_back(names[i] + std::string(kQ), std::move(q));
    }
  }
  return state;
}

void PowerSgd::load(std::span<const std::pair<std::string, Tensor>> state, std::span<const std::string> names,
                    std::span<const Tensor> parameters, int own_rank) {
  check_names(names, parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    LowRank* const matrix = find_or_add(i, parameters[i]);
    if (matrix == nullptr) {
      continue;
    }
    const Tensor* const error = find(state, names[i] + std::string(kError));
    const Tensor* const q = find(state, names[i] + std::string(kQ));
    const ScalarType dtype = matrix->q.scalar_type();
    const bool fits = error != nullptr && q != nullptr && error->numel() == matrix->error.numel() &&
                      q->sizes() == matrix->q.sizes() && error->scalar_type() == dtype && q->scalar_type() == dtype;
    copy(matrix->q, fits ? *q : matrix->start);
    clear(matrix->error);
    if (fits && own_rank == 0) {
      copy(matrix->error, *error);
    }
  }
}

}  // namespace backflow::distributed
