#include <backflow/distributed/buckets/exchange.h>

#include <algorithm>
#include <utility>

#include <backflow/distributed/calls/traffic.h>

namespace backflow::distributed {
namespace {

class PlainExchange final : public Exchange {
 public:
  PlainExchange(Bucket& bucket, Communicator& communicator) : bucket_(bucket), communicator_(communicator) {}

  void prepare() override { bucket_.fill(); }
  void start(std::size_t, std::int64_t tag, Completion done) override {
    communicator_.all_reduce_async(bucket_.flat(), tag, std::move(done));
  }
  void received(std::size_t) override { bucket_.publish(); }
  BucketTraffic traffic() const override {
    const std::int64_t all =
        all_reduce_traffic(static_cast<std::int64_t>(bucket_.flat().nbytes()), communicator_.size());
    return {all, all};
  }

 private:
  Bucket& bucket_;
  // Not owned: a reduction under way must not be what the communicator waits for to end.
  Communicator& communicator_;
};

class BFloat16Exchange final : public Exchange {
 public:
  BFloat16Exchange(Bucket& bucket, Communicator& communicator)
      : bucket_(bucket), communicator_(communicator), sent_(communicator.allocate(bucket.flat().numel(), kBFloat16)) {}

  void prepare() override {
    bucket_.fill();
    std::copy_n(bucket_.flat().const_data_ptr<float>(), sent_.numel(), sent_.mutable_data_ptr<BFloat16>());
  }
  void start(std::size_t, std::int64_t tag, Completion done) override {
    communicator_.all_reduce_async(sent_, tag, std::move(done));
  }
  void received(std::size_t) override {
    std::copy_n(sent_.const_data_ptr<BFloat16>(), sent_.numel(), bucket_.flat().mutable_data_ptr<float>());
    bucket_.publish();
  }
  BucketTraffic traffic() const override {
    const int ranks = communicator_.size();
    return {all_reduce_traffic(static_cast<std::int64_t>(sent_.nbytes()), ranks),
            all_reduce_traffic(static_cast<std::int64_t>(bucket_.flat().nbytes()), ranks)};
  }

 private:
  Bucket& bucket_;
  Communicator& communicator_;
  Tensor sent_;
};

}  // namespace

std::unique_ptr<Exchange> make_plain_exchange(Bucket& bucket, Communicator& communicator) {
  return std::make_unique<PlainExchange>(bucket, communicator);
}

std::unique_ptr<Exchange> make_bfloat16_exchange(Bucket& bucket, Communicator& communicator) {
  return std::make_unique<BFloat16Exchange>(bucket, communicator);
}

}  // namespace backflow::distributed
