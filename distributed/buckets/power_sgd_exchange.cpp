#include <algorithm>
#include <cstring>
#include <utility>

#include <backflow/distributed/buckets/low_rank_internal.h>
#include <backflow/distributed/buckets/power_sgd.h>
#include <backflow/distributed/calls/traffic.h>

namespace backflow::distributed {
namespace {

/// The messages of a bucket. The first has, slot by slot, the left factor of a matrix, [rank, rows], or the gradient of
/// what is sent as it is; then the counts. The second has the right factors, [rank, cols].
class PowerSgdExchange final : public Exchange {
 public:
  PowerSgdExchange(Bucket& bucket, std::vector<LowRank*> matrices, Communicator& communicator)
      : bucket_(bucket), matrices_(std::move(matrices)), communicator_(communicator) {
    std::int64_t first = 0;
    std::int64_t second = 0;
    for (std::size_t i = 0; i < matrices_.size(); ++i) {
      const LowRank* const m = matrices_[i];
      places_.push_back({first, second});
      first += m != nullptr ? m->rank * m->rows : slots()[i].numel;
      second += m != nullptr ? m->rank * m->cols : 0;
    }
    counts_ = first;
    first_ = communicator.allocate(first + std::ssize(slots()), bucket.plan().dtype);
    second_ = communicator.allocate(second, bucket.plan().dtype);
  }

  std::size_t rounds() const override { return second_.numel() > 0 ? 2 : 1; }

  void prepare() override {
    bucket_.fill();
    dispatch_floating(bucket_.plan().dtype, "power_sgd", [&](auto zero) { send_left<decltype(zero)>(); });
  }

  void start(std::size_t round, std::int64_t tag, Completion done) override {
    communicator_.all_reduce_async(round == 0 ? first_ : second_, tag, std::move(done));
  }

  void received(std::size_t round) override {
    dispatch_floating(bucket_.plan().dtype, "power_sgd", [&](auto zero) {
      using T = decltype(zero);
      round == 0 ? send_right<T>() : take_right<T>();
    });
    if (round + 1 == rounds()) {
      bucket_.publish();
    }
  }

  BucketTraffic traffic() const override {
    const int ranks = communicator_.size();
    return {all_reduce_traffic(static_cast<std::int64_t>(first_.nbytes() + second_.nbytes()), ranks),
            all_reduce_traffic(static_cast<std::int64_t>(bucket_.flat().nbytes()), ranks)};
  }

 private:
  struct Place {
    std::int64_t first;
    std::int64_t second;
  };

  const std::vector<BucketSlot>& slots() const { return bucket_.plan().slots; }
  template <class T>
  T* gradient(std::size_t slot) const {
    return bucket_.flat().mutable_data_ptr<T>() + slots()[slot].offset;
  }
  template <class T>
  T* left(std::size_t slot) const {
    return first_.mutable_data_ptr<T>() + places_[slot].first;
  }
  template <class T>
  T* right(std::size_t slot) const {
    return second_.mutable_data_ptr<T>() + places_[slot].second;
  }

  template <class T>
  void send_left() {
    for (std::size_t i = 0; i < matrices_.size(); ++i) {
      T* const m = gradient<T>(i);
      if (LowRank* const matrix = matrices_[i]) {
        const T* error = matrix->error.const_data_ptr<T>();
        std::transform(m, m + slots()[i].numel, error, m, [](T g, T e) { return g + e; });
        multiply_rows(m, matrix->rows, matrix->cols, matrix->q.const_data_ptr<T>(), matrix->rank, left<T>(i));
      } else {
        std::copy_n(m, slots()[i].numel, left<T>(i));
      }
    }
    std::copy_n(bucket_.flat().const_data_ptr<T>() + bucket_.plan().count_offset(0), std::ssize(slots()),
                first_.mutable_data_ptr<T>() + counts_);
  }

  template <class T>
  void send_right() {
    const T* const counts = first_.const_data_ptr<T>() + counts_;
    std::copy_n(counts, std::ssize(slots()), bucket_.flat().mutable_data_ptr<T>() + bucket_.plan().count_offset(0));
    for (std::size_t i = 0; i < matrices_.size(); ++i) {
      T* const m = gradient<T>(i);
      LowRank* const matrix = matrices_[i];
      if (matrix == nullptr) {
        std::copy_n(left<T>(i), slots()[i].numel, m);
      } else if (counts[i] > 0) {
        orthogonalize(left<T>(i), matrix->rank, matrix->rows);
        multiply_cols(m, matrix->rows, matrix->cols, left<T>(i), matrix->rank, right<T>(i));
        subtract_product(matrix->error.mutable_data_ptr<T>(), m, matrix->rows, matrix->cols, left<T>(i), right<T>(i),
                         matrix->rank);
      } else {
        std::fill_n(right<T>(i), matrix->rank * matrix->cols, T{0});  // no rank has a gradient: the errors stay
      }
    }
  }

  template <class T>
  void take_right() {
    const T* const counts = first_.const_data_ptr<T>() + counts_;
    for (std::size_t i = 0; i < matrices_.size(); ++i) {
      LowRank* const matrix = matrices_[i];
      if (matrix == nullptr || !(counts[i] > 0)) {
        continue;
      }
      const T* const q = right<T>(i);
      assign_product(gradient<T>(i), matrix->rows, matrix->cols, left<T>(i), q, matrix->rank);
      for (std::int64_t k = 0; k < matrix->rank; ++k) {
        // A row of zeros would stay one for ever.
        const T* const row = q + k * matrix->cols;
        const bool is_dead = std::all_of(row, row + matrix->cols, [](T x) { return x == 0; });
        std::copy_n(is_dead ? matrix->start.const_data_ptr<T>() + k * matrix->cols : row, matrix->cols,
                    matrix->q.mutable_data_ptr<T>() + k * matrix->cols);
      }
    }
  }

  Bucket& bucket_;
  std::vector<LowRank*> matrices_;  ///< by slot
  Communicator& communicator_;
  std::vector<Place> places_;  ///< by slot, in the messages
  std::int64_t counts_ = 0;    ///< in the first message
  Tensor first_;
  Tensor second_;
};

}  // namespace

std::unique_ptr<Exchange> make_power_sgd_exchange(Bucket& bucket, std::vector<LowRank*> matrices,
                                                  Communicator& communicator) {
  return std::make_unique<PowerSgdExchange>(bucket, std::move(matrices), communicator);
}

}  // namespace backflow::distributed
