// Distances and angles between vectors, and losses of these.
#include <utility>

#include <backflow/ops/losses/loss_internal.h>
#include <backflow/ops/reductions/magnitudes_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// Throws Error unless all are of one floating-point dtype.
void check_vectors(const char* where, const Tensor& x1, const Tensor& x2) {
  check(x1.is_floating_point() && x2.defined() && x1.scalar_type() == x2.scalar_type(), where, ": ", describe(x1),
        " and ", describe(x2), ": need tensors of one floating-point dtype");
}

/// What keeps the divisor of a cosine from 0: a least length, or a length that is added to each in squares.
enum class Guard { Least, Added };

/// The cosines of vectors of one shape that lie along dim, on the tape.
Tensor cosines(const Tensor& a, const Tensor& b, std::int64_t dim, double eps, Guard guard) {
  const auto square = [&](const Tensor& x) {
    const Tensor sums = sum(x * x, dim);
    return guard == Guard::Least ? clamp_min(sums, eps * eps) : sums + eps * eps;
  };
  const Tensor aa = square(a);
  const Tensor bb = square(b);
  const Magnitudes kept = limits_of(a.scalar_type()).factors;
  if (all_within(aa, kept) && all_within(bb, kept)) {
    return guard == Guard::Least ? sum(a * b, dim) / (sqrt(aa) * sqrt(bb)) : sum(a * b, dim) / sqrt(aa * bb);
  }
  // In units of the largest element of each vector, which the quotient loses.
  const auto in_units = [&](const Tensor& x) {
    const Tensor unit = unit_of(x.detach(), reduced_dims("cosine", x, {dim}), eps);
    const Tensor ratios = x / unit;
    const Tensor sums = sum(ratios * ratios, dim);
    const Tensor least = (eps / unit).pow(2).squeeze(dim);
    return std::pair(ratios, sqrt(guard == Guard::Least ? clamp_min(sums, least) : sums + least));
  };
  const auto [x1, length1] = in_units(a);
  const auto [x2, length2] = in_units(b);
  return sum(x1 * x2, dim) / (length1 * length2);
}

struct CosineSimilarity {
  static constexpr OperatorInfo info = {
      .signature = "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-8) -> Tensor",
      .formula = "y = (sum of x1 x2 over dim) / (max(|x1|, eps) max(|x2|, eps)) with the 2-norms over dim",
      .doc = "The cosine similarity of vectors along dim; operands of one floating-point dtype broadcast.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x1, const Tensor& x2, std::int64_t dim, double eps) {
    check_vectors(info.name, x1, x2);
    if (x1.scalar_type() == kBFloat16) {
      return to(forward(widened(x1), widened(x2), dim, eps), kBFloat16);
    }
    const DimVector sizes = broadcast_shapes(info.name, x1.sizes(), x2.sizes());
    return cosines(expand(x1, sizes), expand(x2, sizes), dim, eps, Guard::Least);
  }
};

struct PairwiseDistance {
  static constexpr OperatorInfo info = {
      .signature = "pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-6, bool keepdim=False) -> Tensor",
      .formula = "y = the p-norm of x1 - x2 + eps over the last dimension",
      .doc = "The p-norm distance of vectors along the last dimension; operands of one floating-point dtype broadcast.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x1, const Tensor& x2, double p, double eps, bool keepdim) {
    check_vectors(info.name, x1, x2);
    if (x1.scalar_type() == kBFloat16) {
      return to(forward(widened(x1), widened(x2), p, eps, keepdim), kBFloat16);
    }
    return norm(x1 - x2 + eps, p, {-1}, keepdim);
  }
};

struct CosineEmbeddingLoss {
  static constexpr OperatorInfo info = {
      .signature =
          "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=1) -> "
          "Tensor",
      .formula = "y = 1 - cos where t = 1, max(cos - margin, 0) where t = -1, 0 elsewhere; reduced",
      .doc =
          "Loss of the cosine similarity of vectors [size] or the rows of [rows, size], of one floating-point dtype. "
          "Targets [] or [rows] are 1 for similar vectors, -1 for different ones. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x1, const Tensor& x2, const Tensor& t, double margin, std::int64_t reduction) {
    check_vectors(info.name, x1, x2);
    check(x1.sizes() == x2.sizes() && (x1.dim() == 1 || x1.dim() == 2) && t.dim() == x1.dim() - 1 &&
              (t.dim() == 0 || t.size(0) == x1.size(0)),
          info.name, ": inputs ", describe(x1), " and ", describe(x2), ", target ", describe(t),
          ": need inputs [size] or [rows, size] of one shape and a target [] or [rows]");
    if (x1.scalar_type() == kBFloat16) {
      return to(forward(widened(x1), widened(x2), t, margin, reduction), kBFloat16);
    }
    const Tensor cosine = cosines(x1, x2, -1, 1e-6, Guard::Added);
    const Tensor alike = masked_fill(1 - cosine, t != 1, 0);
    return reduce(info.name, alike + masked_fill(clamp_min(cosine - margin, 0), t != -1, 0), reduction);
  }
};

struct TripletMarginLoss {
  static constexpr OperatorInfo info = {
      .signature =
          "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2, float "
          "eps=1e-6, bool swap=False, int reduction=1) -> Tensor",
      .formula =
          "y = max(margin + d(a, p) - d(a, n), 0) with d = pairwise_distance, reduced; with swap min(d(a, n), d(p, n)) "
          "in "
          "the place of d(a, n)",
      .doc =
          "Triplet loss (Balntas et al., 2016): anchors should be nearer to the positive than to the negative by a "
          "margin. Vectors [size] or [rows, size], of one floating-point dtype. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& a, const Tensor& p, const Tensor& n, double margin, double power, double eps,
                        bool swap, std::int64_t reduction) {
    check_vectors(info.name, a, p);
    check_vectors(info.name, a, n);
    check(a.dim() == p.dim() && a.dim() == n.dim(), info.name, ": anchor ", describe(a), ", positive ", describe(p),
          ", negative ", describe(n), ": need equal numbers of dimensions");
    if (a.scalar_type() == kBFloat16) {
      return to(forward(widened(a), widened(p), widened(n), margin, power, eps, swap, reduction), kBFloat16);
    }
    const auto distance = [&](const Tensor& x, const Tensor& w) { return pairwise_distance(x, w, power, eps, false); };
    const Tensor near = distance(a, p);
    const Tensor far = swap ? minimum(distance(a, n), distance(p, n)) : distance(a, n);
    return reduce(info.name, clamp_min(near - far + margin, 0), reduction);
  }
};

}  // namespace

#include <backflow/ops/embedding_losses_functions.inc>

OperatorFamily embedding_losses_operators() {
  return family<CosineSimilarity, PairwiseDistance, CosineEmbeddingLoss, TripletMarginLoss>("embedding_losses");
}

}  // namespace backflow
