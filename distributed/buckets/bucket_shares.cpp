#include <backflow/distributed/buckets/bucket_shares.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <backflow/distributed/calls/traffic.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::distributed {
namespace {

/// The elements of a slot that are in [begin, end) of the bucket.
SlotShare share_of(const BucketSlot& slot, std::size_t number, std::int64_t begin, std::int64_t end) {
  const std::int64_t first = std::clamp(begin, slot.offset, slot.offset + slot.numel);
  const std::int64_t last = std::clamp(end, slot.offset, slot.offset + slot.numel);
  return {number, {first - slot.offset, std::max<std::int64_t>(0, last - first)}, first};
}

void copy_elements(const Tensor& to, std::int64_t to_begin, const Tensor& from, std::int64_t from_begin,
                   std::int64_t numel) {
  const std::size_t size = element_size(to.scalar_type());
  if (numel > 0) {
    std::memcpy(static_cast<std::byte*>(to.mutable_data_ptr()) + static_cast<std::size_t>(to_begin) * size,
                static_cast<const std::byte*>(from.const_data_ptr()) + static_cast<std::size_t>(from_begin) * size,
                static_cast<std::size_t>(numel) * size);
  }
}

Tensor row_major(const Tensor& x) { return x.is_contiguous() ? x.detach() : contiguous(x.detach()); }

std::int64_t half_of_all_reduce(const Tensor& x, int ranks) {
  return all_reduce_traffic(static_cast<std::int64_t>(x.nbytes()), ranks) / 2;
}

/// How two calls have ended, of which the first was made before the second.
struct TwoCalls {
  std::exception_ptr first;  ///< the error of the first; both end on one thread
};

class ScatterExchange final : public Exchange {
 public:
  ScatterExchange(Bucket& bucket, Communicator& communicator, WireFormat format)
      : bucket_(bucket),
        communicator_(communicator),
        counts_(empty_tensor({std::ssize(bucket.plan().slots)}, bucket.plan().dtype)) {
    if (format == WireFormat::BFloat16 && bucket.plan().dtype == kFloat32) {
      sent_ = communicator.allocate(bucket.flat().numel(), kBFloat16);
    }
  }

  void prepare() override {
    bucket_.fill();
    copy_elements(counts_, 0, bucket_.flat(), bucket_.plan().count_offset(0), counts_.numel());
    if (sent_.defined()) {
      std::copy_n(bucket_.flat().const_data_ptr<float>(), sent_.numel(), sent_.mutable_data_ptr<BFloat16>());
    }
  }

  void start(std::size_t, std::int64_t tag, Completion done) override {
    const auto calls = std::make_shared<TwoCalls>();
    communicator_.all_reduce_async(counts_, tag,
                                   [calls](std::exception_ptr error) { calls->first = std::move(error); });
    communicator_.reduce_scatter_async(sent_.defined() ? sent_ : bucket_.flat(), tag,
                                       [calls, done = std::move(done)](std::exception_ptr error) {
                                         done(calls->first ? calls->first : std::move(error));
                                       });
  }

  void received(std::size_t) override {
    if (sent_.defined()) {
      const std::int64_t share = sent_.numel() / communicator_.size();
      const std::int64_t begin = share * communicator_.rank();
      std::copy_n(sent_.const_data_ptr<BFloat16>() + begin, share, bucket_.flat().mutable_data_ptr<float>() + begin);
    }
    copy_elements(bucket_.flat(), bucket_.plan().count_offset(0), counts_, 0, counts_.numel());
    bucket_.publish();
  }

  BucketTraffic traffic() const override {
    const int ranks = communicator_.size();
    return {all_reduce_traffic(static_cast<std::int64_t>(counts_.nbytes()), ranks) +
                half_of_all_reduce(sent_.defined() ? sent_ : bucket_.flat(), ranks),
            half_of_all_reduce(bucket_.flat(), ranks)};
  }

 private:
  Bucket& bucket_;
  Communicator& communicator_;
  Tensor counts_;  ///< every rank needs all of them
  Tensor sent_;    ///< undefined when the gradients are sent as they are
};

class GatherExchange final : public Exchange {
 public:
  GatherExchange(Bucket& bucket, Communicator& communicator) : bucket_(bucket), communicator_(communicator) {}

  void prepare() override {}
  void start(std::size_t, std::int64_t tag, Completion done) override {
    communicator_.all_gather_async(bucket_.flat(), tag, std::move(done));
  }
  void received(std::size_t) override {}
  BucketTraffic traffic() const override {
    const std::int64_t all = half_of_all_reduce(bucket_.flat(), communicator_.size());
    return {all, all};
  }

 private:
  Bucket& bucket_;
  Communicator& communicator_;
};

}  // namespace

std::int64_t shared_numel(std::int64_t numel, ScalarType dtype, int ranks) {
  constexpr std::int64_t kAlignment = 64;
  const std::int64_t step = ranks * kAlignment / static_cast<std::int64_t>(element_size(dtype));
  return (numel + step - 1) / step * step;
}

BucketShares::BucketShares(Bucket& bucket, const Communicator& communicator) : bucket_(bucket) {
  const std::int64_t share = bucket.flat().numel() / communicator.size();
  const std::int64_t begin = share * communicator.rank();
  for (std::size_t i = 0; i < bucket.plan().slots.size(); ++i) {
    own_.push_back(share_of(bucket.plan().slots[i], i, begin, begin + share));
  }
}

std::vector<optim::PartialUpdate> BucketShares::updates() const {
  std::vector<optim::PartialUpdate> updates;
  for (const SlotShare& share : own_) {
    if (bucket_.is_reduced(share.slot) && share.range.numel > 0) {
      updates.push_back({bucket_.parameters()[share.slot], share.range,
                         view_of(bucket_.flat(), {share.range.numel}, {1}, share.offset)});
    }
  }
  return updates;
}

void BucketShares::put_parameters() const {
  const NoGradGuard no_grad;
  for (const SlotShare& share : own_) {
    if (bucket_.is_reduced(share.slot)) {
      copy_elements(bucket_.flat(), share.offset, row_major(bucket_.parameters()[share.slot]), share.range.begin,
                    share.range.numel);
    }
  }
}

void BucketShares::take_parameters() const {
  const NoGradGuard no_grad;
  for (const SlotShare& share : own_) {
    const Tensor& parameter = bucket_.parameters()[share.slot];
    const BucketSlot& slot = bucket_.plan().slots[share.slot];
    if (!bucket_.is_reduced(share.slot) || share.range.numel == slot.numel) {
      continue;
    }
    const Tensor dense = row_major(parameter);
    const std::int64_t end = share.range.begin + share.range.numel;
    copy_elements(dense, 0, bucket_.flat(), slot.offset, share.range.begin);
    copy_elements(dense, end, bucket_.flat(), slot.offset + end, slot.numel - end);
    if (parameter.is_contiguous()) {
      parameter.impl().storage->bump_version();
    } else {
      parameter.copy_(dense);
    }
  }
}

std::unique_ptr<Exchange> make_scatter_exchange(Bucket& bucket, Communicator& communicator, WireFormat format) {
  return std::make_unique<ScatterExchange>(bucket, communicator, format);
}

std::unique_ptr<Exchange> make_gather_exchange(Bucket& bucket, Communicator& communicator) {
  return std::make_unique<GatherExchange>(bucket, communicator);
}

}  // namespace backflow::distributed
