// Operators whose samples do not grow, as sizes are among their arguments: their calls on larger operands.
#include <cstdlib>
#include <tuple>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/ops/cuts/cases.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

using Call = std::function<Tensor(const Tensors&)>;

void add(std::vector<CutCase>& all, const char* op, const std::vector<Operand>& operands, const Call& call) {
  const Call seeded = [call](const Tensors& x) {
    const DefaultGeneratorGuard guard({11, 0});
    return call(x);
  };
  all.push_back({{.op = op, .label = "large", .operands = operands, .call = seeded, .reference = {}}});
}

/// Of tensors that are made, of the dtype of an operand.
void add_new_tensors(std::vector<CutCase>& all) {
  const auto made = [&](const char* op, const std::function<Tensor(ScalarType)>& make) {
    add(all, op, {numbers({})}, [make](const Tensors& x) { return make(x[0].scalar_type()); });
  };
  made("arange", [](ScalarType dtype) { return arange(0, 20'011, 1, dtype); });
  made("linspace", [](ScalarType dtype) { return linspace(-3, 5, 20'011, dtype); });
  made("eye", [](ScalarType dtype) { return eye(140, 151, dtype); });
  made("zeros", [](ScalarType dtype) { return zeros({20'011}, dtype); });
  made("ones", [](ScalarType dtype) { return ones({20'011}, dtype); });
  made("full", [](ScalarType dtype) { return full({20'011}, 3, dtype); });
  made("rand", [](ScalarType dtype) { return rand({20'011}, dtype); });
  made("randn", [](ScalarType dtype) { return randn({20'011}, dtype); });
  made("randint", [](ScalarType dtype) { return randint(0, 100, {20'011}, dtype); });
  made("randperm", [](ScalarType dtype) { return randperm(20'011, dtype); });
  add(all, "one_hot", {indices({701}, 29)}, [](const Tensors& x) { return one_hot(x[0], 29); });
}

/// Gradients of views, and of what else only moves elements.
void add_gradients_of_views(std::vector<CutCase>& all) {
  add(all, "diagonal_backward", {numbers({31, 140})}, [](const Tensors& dy) {
    return diagonal_backward(dy[0], {31, 140, 151}, 0, 1, 2);
  });
  add(all, "slice_backward", {numbers({31, 70, 51})}, [](const Tensors& dy) {
    return slice_backward(dy[0], {31, 140, 51}, 1, 0, 140, 2);
  });
  add(all, "select_backward", {numbers({31, 151})}, [](const Tensors& dy) {
    return select_backward(dy[0], {31, 14, 151}, 1, 5);
  });
  add(all, "unfold_backward", {numbers({31, 69, 4})}, [](const Tensors& dy) {
    return unfold_backward(dy[0], {31, 140}, 1, 4, 2);
  });
  add(all, "as_strided_backward", {numbers({140, 40})}, [](const Tensors& dy) {
    return as_strided_backward(dy[0], {140, 151}, {151, 1}, {151, 2}, 3);
  });
  add(all, "strided_gather", {numbers({140, 151})}, [](const Tensors& x) {
    return strided_gather(x[0], {151, 1}, {140, 40}, {151, 2}, 3);
  });
  for (const char* mode : {"reflect", "replicate", "circular"}) {
    add(all, "pad_border_backward", {numbers({5, 40, 22, 25})}, [mode](const Tensors& dy) {
      return pad_border_backward(dy[0], {5, 40, 18, 22}, {1, 2, 2, 2}, mode);
    });
  }
}

void add_resampling(std::vector<CutCase>& all) {
  const Operand line = numbers({31, 20, 37});
  add(all, "upsample_nearest1d", {line}, [](const Tensors& x) { return upsample_nearest1d(x[0], {50}); });
  add(all, "upsample_linear1d", {line}, [](const Tensors& x) { return upsample_linear1d(x[0], {50}, false); });
  add(all, "upsample_nearest1d_backward", {line}, [](const Tensors& dy) {
    return upsample_nearest1d_backward(dy[0], {37}, {31, 20, 15});
  });
  add(all, "upsample_linear1d_backward", {line}, [](const Tensors& dy) {
    return upsample_linear1d_backward(dy[0], {37}, {31, 20, 15}, false);
  });
  const Operand image = numbers({5, 20, 18, 22});
  const DimVector sizes = {5, 20, 11, 9};
  add(all, "upsample_nearest2d_backward", {image}, [=](const Tensors& dy) {
    return upsample_nearest2d_backward(dy[0], {18, 22}, sizes);
  });
  add(all, "upsample_bilinear2d_backward", {image}, [=](const Tensors& dy) {
    return upsample_bilinear2d_backward(dy[0], {18, 22}, sizes, false);
  });
  add(all, "upsample_bicubic2d_backward", {image}, [=](const Tensors& dy) {
    return upsample_bicubic2d_backward(dy[0], {18, 22}, sizes, false);
  });
  const Operand volume = numbers({3, 7, 9, 10, 11});
  const DimVector smaller = {3, 7, 5, 6, 7};
  add(all, "upsample_nearest3d_backward", {volume}, [=](const Tensors& dy) {
    return upsample_nearest3d_backward(dy[0], {9, 10, 11}, smaller);
  });
  add(all, "upsample_trilinear3d_backward", {volume}, [=](const Tensors& dy) {
    return upsample_trilinear3d_backward(dy[0], {9, 10, 11}, smaller, false);
  });
}

void add_others(std::vector<CutCase>& all) {
  add(all, "nll_loss_backward", {numbers({701}), indices({701}, 29), numbers({29})}, [](const Tensors& x) {
    return nll_loss_backward(x[0], x[1], x[2].detach(), {701, 29}, 0, -100);
  });
  add(all, "value_selecting_reduction_backward", {numbers({701}), indices({701}, 29)}, [](const Tensors& x) {
    return value_selecting_reduction_backward(x[0], 1, x[1], {701, 29}, false);
  });
  add(all, "max_unpool2d", {numbers({5, 20, 9, 11}), indices({5, 20, 9, 11}, 400)}, [](const Tensors& x) {
    return max_unpool2d(x[0], x[1], {18, 23});
  });
  add(all, "max_unpool3d", {numbers({3, 4, 5, 9, 11}), indices({3, 4, 5, 9, 11}, 3000)}, [](const Tensors& x) {
    return max_unpool3d(x[0], x[1], {10, 18, 22}, {2, 2, 2}, {0, 0, 0});
  });
  add(all, "native_group_norm", {numbers({6, 40, 9, 11}), numbers({40}), numbers({40})},
      [](const Tensors& x) { return std::get<0>(native_group_norm(x[0], x[1], x[2], 6, 40, 99, 8, 1e-5)); });
  add(all, "dot", {numbers({150'001}), numbers({150'001})}, [](const Tensors& x) { return dot(x[0], x[1]); });
  add(all, "vdot", {numbers({150'001}), numbers({150'001})}, [](const Tensors& x) { return vdot(x[0], x[1]); });
}

}  // namespace

std::vector<CutCase> calls_of_fixed_sizes() {
  std::vector<CutCase> all;
  add_new_tensors(all);
  add_gradients_of_views(all);
  add_resampling(all);
  add_others(all);
  if (const char* wanted = std::getenv("BACKFLOW_SAMPLE"); wanted != nullptr) {
    std::erase_if(all, [&](const CutCase& c) { return c.sample.title().find(wanted) == std::string::npos; });
  }
  return all;
}

}  // namespace backflow::test
