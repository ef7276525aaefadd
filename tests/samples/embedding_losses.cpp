// Distances and angles between vectors, and losses of these.
#include <algorithm>
#include <cmath>

#include <backflow/tests/support/loss_references.h>

namespace backflow::test {
namespace {

/// f of the vectors along the last dimension, which are the rows of [..., size].
Array by_rows(const Array& a, const Array& b, const std::function<double(const double*, const double*)>& f) {
  const std::int64_t size = a.sizes.back();
  Array y = array_of(Index(a.sizes.begin(), a.sizes.end() - 1));
  for (std::size_t i = 0; i < y.data.size(); ++i) {
    const std::int64_t at = static_cast<std::int64_t>(i) * size;
    y.data[i] = f(a.data.data() + at, b.data.data() + at);
  }
  return y;
}

double dot(const double* a, const double* b, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    total += a[i] * b[i];
  }
  return total;
}

Array cosines(const Array& a, const Array& b) {
  const std::int64_t n = a.sizes.back();
  return by_rows(
      a, b, [n](const double* x, const double* w) { return dot(x, w, n) / std::sqrt(dot(x, x, n) * dot(w, w, n)); });
}

Array distances(const Array& a, const Array& b, double p, double eps) {
  const std::int64_t n = a.sizes.back();
  return by_rows(a, b, [=](const double* x, const double* w) {
    double total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      total += std::pow(std::abs(x[i] - w[i] + eps), p);
    }
    return std::pow(total, 1 / p);
  });
}

void add_functions(Samples& all) {
  for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
    all.push_back({.op = "cosine_similarity",
                   .label = name(layout),
                   .operands = {{{3, 5}}, {{3, 5}, -2, 2, layout}},
                   .call = [](const Tensors& x) { return cosine_similarity(x[0], x[1]); },
                   .reference = [](const Arrays& x) { return cosines(x[0], x[1]); },
                   .tolerance = 4,
                   .torch = "torch.nn.functional.cosine_similarity(x[0], x[1])"});
  }
  all.push_back({.op = "cosine_similarity",
                 .label = "broadcast_first",
                 .operands = {{{4, 1}}, {{4, 3}}},
                 .call = [](const Tensors& x) { return cosine_similarity(x[0], x[1], 0, 1e-6); },
                 .reference =
                     [](const Arrays& x) {
                       Array a = array_of({3, 4});
                       Array b = array_of({3, 4});
                       for_each_index({3, 4}, [&](const Index& i) {
                         a.at(i) = x[0].at({i[1], 0});
                         b.at(i) = x[1].at({i[1], i[0]});
                       });
                       return cosines(a, b);
                     },
                 .tolerance = 4,
                 .torch = "torch.nn.functional.cosine_similarity(x[0], x[1], dim=0, eps=1e-6)"});
  for (const double p : {2.0, 1.0, 3.0}) {
    for (const bool keepdim : {false, true}) {
      all.push_back({.op = "pairwise_distance",
                     .label = to_text("p", p, keepdim ? "_keepdim" : ""),
                     .operands = {{{3, 5}}, {{3, 5}}},
                     .call = [=](const Tensors& x) { return pairwise_distance(x[0], x[1], p, 1e-6, keepdim); },
                     .reference =
                         [=](const Arrays& x) {
                           Array y = distances(x[0], x[1], p, 1e-6);
                           if (keepdim) {
                             y.sizes.push_back(1);
                           }
                           return y;
                         },
                     .tolerance = 4,
                     .torch = to_text("torch.nn.functional.pairwise_distance(x[0], x[1], p=", p,
                                      ", eps=1e-6, keepdim=", python(keepdim), ")")});
    }
  }
}

void add_cosine_embedding(Samples& all, const Index& sizes, double margin, std::int64_t reduction) {
  const Index rows(sizes.begin(), sizes.end() - 1);
  all.push_back({.op = "cosine_embedding_loss",
                 .label = to_text(sizes.size(), "d_margin", margin, "_reduction", reduction),
                 .operands = {{sizes}, {sizes}, {rows, -1, 1, Layout::Contiguous, Of::Mask}},
                 .call =
                     [=](const Tensors& x) {
                       const Tensor target = to(x[2], kFloat32) * 2 - 1;
                       return cosine_embedding_loss(x[0], x[1], target, margin, reduction);
                     },
                 .reference =
                     [=](const Arrays& x) {
                       return reduced(
                           map(cosines(x[0], x[1]), x[2],
                               [&](double c, double t) { return t > 0 ? 1 - c : std::max(c - margin, 0.0); }),
                           reduction);
                     },
                 .tolerance = 4,
                 .torch = to_text("torch.nn.functional.cosine_embedding_loss(x[0], x[1], x[2].to(torch.float32) * 2 - "
                                  "1, margin=",
                                  margin, ", reduction=", python_name(reduction), ")")});
}

void add_triplet(Samples& all, const Index& sizes, double p, bool swap, std::int64_t reduction) {
  const double eps = 1e-6;
  all.push_back(
      {.op = "triplet_margin_loss",
       .label = to_text(sizes.size(), "d_p", p, swap ? "_swap" : "", "_reduction", reduction),
       .operands = {{sizes}, {sizes}, {sizes}},
       .call = [=](const Tensors& x) { return triplet_margin_loss(x[0], x[1], x[2], 1.5, p, eps, swap, reduction); },
       .reference =
           [=](const Arrays& x) {
             Array far = distances(x[0], x[2], p, eps);
             if (swap) {
               far = map(far, distances(x[1], x[2], p, eps), [](double a, double b) { return std::min(a, b); });
             }
             return reduced(
                 map(distances(x[0], x[1], p, eps), far, [](double a, double b) { return std::max(1.5 + a - b, 0.0); }),
                 reduction);
           },
       .tolerance = 4,
       .torch = to_text("torch.nn.functional.triplet_margin_loss(x[0], x[1], x[2], margin=1.5, p=", p,
                        ", eps=1e-6, swap=", python(swap), ", reduction=", python_name(reduction), ")")});
}

}  // namespace

Samples embedding_loss_samples() {
  Samples all;
  add_functions(all);
  for (const std::int64_t reduction : kReductions) {
    add_cosine_embedding(all, {6, 5}, 0, reduction);
    add_cosine_embedding(all, {6, 5}, 0.25, reduction);
    add_cosine_embedding(all, {5}, 0, reduction);
    for (const bool swap : {false, true}) {
      add_triplet(all, {4, 5}, 2, swap, reduction);
      add_triplet(all, {4, 5}, 1, swap, reduction);
    }
    add_triplet(all, {5}, 2, false, reduction);
  }
  return all;
}

}  // namespace backflow::test
