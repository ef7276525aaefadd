// Dropout of elements and of whole features.
#include <backflow/ops/creation/dropout.h>

#include <cmath>

#include <backflow/ops/creation/random_fill_internal.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/kernels/creation/dropout.h>

namespace backflow {
namespace {

using namespace detail;

/// A call's own mask is not kept for the backward: it is drawn again, which costs no more than to read it would.
struct PhiloxDropout {
  static constexpr OperatorInfo info = {
      .signature =
          "philox_dropout(Tensor input, float p, float scale, float shift, float dropped, int feature_size, int seed, "
          "int stream) -> Tensor",
      .formula = "y = c x + s in features that are kept, else d;  dx = c dy in features that are kept, else 0",
      .doc =
          "The implementation of dropout() and its variants: drops features of feature_size elements each, in "
          "row-major order, with probability p in [0, 1). The random word of a feature depends on seed, stream and the "
          "feature's number alone (runtime/base/philox.h). Floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "PhiloxDropoutBackward0",
      .inplace =
          "philox_dropout_(Tensor self, float p, float scale, float shift, float dropped, int feature_size, int seed, "
          "int stream) -> Tensor",
  };
  double p_;
  double scale_;
  std::int64_t feature_size_;
  std::int64_t seed_;
  std::int64_t stream_;
  static Tensor forward(const Tensor& x, double p, double scale, double shift, double dropped,
                        std::int64_t feature_size, std::int64_t seed, std::int64_t stream) {
    check_operands(x, p, feature_size);
    Tensor y = empty_tensor(x.sizes(), x.scalar_type());
    const Tensor rows = x.is_contiguous() ? x : contiguous(x.detach());
    kernels::drop(y, rows, feature_size,
                  {p, scale, shift, dropped, static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(stream)});
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, double p, double scale, double shift, double dropped,
                           std::int64_t feature_size, std::int64_t seed, std::int64_t stream) {
    check_operands(x, p, feature_size);
    if (!y.is_contiguous() || !x.is_contiguous()) {
      return false;
    }
    kernels::drop(y, x, feature_size,
                  {p, scale, shift, dropped, static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(stream)});
    return true;
  }
  void save(Needs, const Tensor&, double p, double scale, double, double, std::int64_t feature_size, std::int64_t seed,
            std::int64_t stream, const Tensor&) {
    p_ = p;
    scale_ = scale;
    feature_size_ = feature_size;
    seed_ = seed;
    stream_ = stream;
  }
  void backward(Backward& b) const {
    b.dx(0) = philox_dropout(b.dy(), p_, scale_, 0, 0, feature_size_, seed_, stream_);
  }

 private:
  static void check_operands(const Tensor& x, double p, std::int64_t feature_size) {
    check(x.is_floating_point(), "dropout: input ", describe(x), ": need floating-point numbers");
    check(p >= 0 && p < 1, "philox_dropout: probability ", p, ": need one in [0, 1)");
    check(feature_size >= 1 && x.numel() % feature_size == 0, "philox_dropout: input ", describe(x), ", features of ",
          feature_size, " elements: need features of equal size, 1 or more");
  }
};

/// How a kind of dropout is made of the one above.
struct Kind {
  const char* name;
  bool of_features;
  bool is_alpha;
};
constexpr Kind kDropout = {"dropout", false, false};
constexpr Kind kFeatureDropout = {"feature_dropout", true, false};
constexpr Kind kAlphaDropout = {"alpha_dropout", false, true};
constexpr Kind kFeatureAlphaDropout = {"feature_alpha_dropout", true, true};

/// True when the input is the result.
bool changes_nothing(const Kind& kind, const Tensor& x, double p, bool train) {
  check(p >= 0 && p <= 1, kind.name, ": probability ", p, ": need one in [0, 1]");
  check(x.defined(), kind.name, ": input undefined: need a tensor");
  check(x.is_floating_point(), kind.name, ": input ", describe(x), ": need floating-point numbers");
  if (p == 0 || !train || x.numel() == 0) {
    return true;
  }
  check(!kind.of_features || x.dim() >= 2, kind.name, ": input ", describe(x),
        ": need two dimensions or more, the second that of the features");
  return false;
}

/// Calls apply(p, scale, shift, dropped, size of a feature, seed, stream) of a kind for p < 1.
template <class F>
decltype(auto) with_rule(const Kind& kind, const Tensor& x, double p, const F& apply) {
  const Generator::State state = default_generator().take_stream();
  const auto seed = static_cast<std::int64_t>(state.seed);
  const auto stream = static_cast<std::int64_t>(kTensorStreams | state.offset);
  const std::int64_t size = kind.of_features ? x.numel() / (x.size(0) * x.size(1)) : 1;
  if (!kind.is_alpha) {
    return apply(p, 1 / (1 - p), 0.0, 0.0, size, seed, stream);
  }
  constexpr double kAlpha = 1.7580993408473766;  // selu's limit far below zero, times -1
  const double scale = 1 / std::sqrt((kAlpha * kAlpha * p + 1) * (1 - p));
  return apply(p, scale, kAlpha * scale * p, kAlpha * scale * (p - 1), size, seed, stream);
}

/// Where everything is dropped: a product with 0 would leave NaN.
Tensor everywhere() { return ones({}, kBool); }

Tensor dropped(const Kind& kind, const Tensor& x, double p, bool train) {
  if (changes_nothing(kind, x, p, train)) {
    return x;
  }
  if (p == 1) {
    return masked_fill(x, everywhere(), 0);
  }
  return with_rule(kind, x, p, [&](auto... rule) { return philox_dropout(x, rule...); });
}

Tensor& drop_inplace(const Kind& kind, const Tensor& self, double p, bool train) {
  if (!changes_nothing(kind, self, p, train)) {
    if (p == 1) {
      self.masked_fill_(everywhere(), 0);
    } else {
      with_rule(kind, self, p, [&](auto... rule) { self.philox_dropout_(rule...); });
    }
  }
  return const_cast<Tensor&>(self);  // NOLINT(*-const-cast): a handle
}

struct Dropout {
  static constexpr OperatorInfo info = {
      .signature = "dropout(Tensor input, float p, bool train) -> Tensor",
      .formula = "y = x / (1 - p) with probability 1 - p, else 0",
      .doc =
          "Drops each element with probability p (Srivastava et al., 2014), with the default generator. Returns the "
          "input itself for p = 0 or without `train`, zeros for p = 1. An Error for p outside of [0, 1].",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, double p, bool train) { return dropped(kDropout, x, p, train); }
};

struct FeatureDropout {
  static constexpr OperatorInfo info = {
      .signature = "feature_dropout(Tensor input, float p, bool train) -> Tensor",
      .formula = "y = x / (1 - p) with probability 1 - p, else 0",
      .doc = "dropout of whole features [i, j, ...] of x (Tompson et al., 2015), which has two dimensions or more.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, double p, bool train) { return dropped(kFeatureDropout, x, p, train); }
};

struct AlphaDropout {
  static constexpr OperatorInfo info = {
      .signature = "alpha_dropout(Tensor input, float p, bool train) -> Tensor",
      .formula =
          "y = a (x + 1.7581 p) with probability 1 - p, else a 1.7581 (p - 1), where a = 1 / sqrt((1.7581^2 p + 1) (1 "
          "- p))",
      .doc = "dropout that keeps mean 0 and variance 1 (Klambauer et al., 2017), for selu. Zeros for p = 1.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, double p, bool train) { return dropped(kAlphaDropout, x, p, train); }
};

struct FeatureAlphaDropout {
  static constexpr OperatorInfo info = {
      .signature = "feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor",
      .formula = "y as alpha_dropout",
      .doc = "alpha_dropout of whole features [i, j, ...] of x, which has two dimensions or more.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, double p, bool train) { return dropped(kFeatureAlphaDropout, x, p, train); }
};

}  // namespace

Tensor& dropout_(const Tensor& self, double p, bool train) { return drop_inplace(kDropout, self, p, train); }
Tensor& feature_dropout_(const Tensor& self, double p, bool train) {
  return drop_inplace(kFeatureDropout, self, p, train);
}
Tensor& alpha_dropout_(const Tensor& self, double p, bool train) { return drop_inplace(kAlphaDropout, self, p, train); }
Tensor& feature_alpha_dropout_(const Tensor& self, double p, bool train) {
  return drop_inplace(kFeatureAlphaDropout, self, p, train);
}

#include <backflow/ops/dropout_functions.inc>

OperatorFamily dropout_operators() {
  return family<PhiloxDropout, Dropout, FeatureDropout, AlphaDropout, FeatureAlphaDropout>("dropout");
}

}  // namespace backflow
