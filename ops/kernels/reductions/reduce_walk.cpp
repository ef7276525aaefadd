#include <backflow/ops/kernels/reductions/reduce_walk.h>

#include <algorithm>

namespace backflow::kernels::detail {

Walk::Walk(const Tensor& x, const DimVector& reduced) {
  struct Dim {
    WalkRun run;
    std::size_t kept;  // its number among those that are left
  };
  std::array<Dim, kMaxDims> dims;
  std::size_t count = 0;
  for (std::size_t d = 0; d < reduced.size(); ++d) {
    const WalkRun run = {x.sizes()[d], x.strides()[d], reduced[d] != 0};
    if (run.size != 1 && (run.reduced || run.stride != 0)) {
      dims[count++] = {run, kept_sizes_.size()};
    }
    if (!run.reduced) {
      kept_sizes_.push_back(run.size);
    }
  }
  kept_strides_.resize(kept_sizes_.size(), 0);
  // Outermost what has the largest stride, or repeats elements.
  std::stable_sort(dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(count), [](const Dim& a, const Dim& b) {
    return a.run.stride != b.run.stride && (a.run.stride == 0 || (b.run.stride != 0 && a.run.stride > b.run.stride));
  });
  std::int64_t stride = 1;
  for (std::size_t d = count; d-- > 0;) {
    if (!dims[d].run.reduced) {
      kept_strides_[dims[d].kept] = stride;
      stride *= dims[d].run.size;
    }
  }
  const auto is_reduced = [](const Dim& d) { return d.run.reduced; };
  if (std::none_of(dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(count), is_reduced)) {
    push({1, 0, true});
  }
  for (std::size_t d = 0; d < count; ++d) {
    push(dims[d].run);
  }
}

void Walk::push(const WalkRun& run) {
  if (size_ > 0 && runs_[size_ - 1].reduced == run.reduced && runs_[size_ - 1].stride == run.stride * run.size) {
    runs_[size_ - 1].size *= run.size;
    runs_[size_ - 1].stride = run.stride;
    return;
  }
  runs_[size_++] = run;
  reduced_runs_ += run.reduced;
}

Pass Walk::next() {
  std::size_t chosen = size_ - 1;
  while (!runs_[chosen].reduced) {
    --chosen;
  }
  Pass pass;
  pass.n = runs_[chosen].size;
  pass.stride = runs_[chosen].stride;
  const bool has_inner = chosen + 1 < size_;
  if (has_inner) {
    pass.inner = runs_[size_ - 1].size;
    pass.inner_stride = runs_[size_ - 1].stride;
  }
  std::array<WalkRun, kMaxDims + 1> left;
  std::size_t count = 0;
  for (std::size_t r = 0; r < size_; ++r) {
    if (r != chosen) {
      left[count++] = runs_[r];
    }
    if (r != chosen && !(has_inner && r + 1 == size_)) {
      pass.sizes.push_back(runs_[r].size);
      pass.strides.push_back(runs_[r].stride);
      pass.outer *= runs_[r].size;
    }
  }
  std::int64_t stride = 1;
  for (std::size_t r = count; r-- > 0;) {
    left[r].stride = stride;
    stride *= left[r].size;
  }
  size_ = 0;
  reduced_runs_ = 0;
  for (std::size_t r = 0; r < count; ++r) {
    push(left[r]);
  }
  return pass;
}

bool Walk::in_order() const {
  const DimVector wanted = contiguous_strides(kept_sizes_);
  for (std::size_t d = 0; d < kept_sizes_.size(); ++d) {
    if (kept_sizes_[d] != 1 && kept_strides_[d] != wanted[d]) {
      return false;
    }
  }
  return true;
}

void Walk::copy_result(const Tensor& y, const Tensor& flat) const {
  copy(view_of(y, kept_sizes_, contiguous_strides(kept_sizes_), y.storage_offset()),
       view_of(flat, kept_sizes_, kept_strides_, flat.storage_offset()));
}

}  // namespace backflow::kernels::detail
