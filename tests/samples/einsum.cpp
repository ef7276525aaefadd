#include <map>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

/// The sum over all labels, one after the other in plain loops. Labels of an ellipsis are written as digits, so
/// `terms` is the equation with them and with its result, as "0ij,1ij->01".
Array einsum_of(const std::string& terms, const Arrays& x) {
  std::vector<std::string> parts = {""};
  for (const char c : terms) {
    if (c == ',' || c == '-') {
      parts.emplace_back();
    } else if (c != '>' && c != ' ') {
      parts.back() += c;
    }
  }
  std::map<char, std::int64_t> sizes;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t d = 0; d < parts[i].size(); ++d) {
      std::int64_t& size = sizes.emplace(parts[i][d], 1).first->second;
      size = size == 1 ? x[i].sizes[d] : size;
    }
  }
  std::string labels;
  Index all;
  for (const auto& [label, size] : sizes) {
    labels += label;
    all.push_back(size);
  }
  const auto at = [&](const std::string& term, const Index& i, const Index* limits) {
    Index result;
    for (std::size_t d = 0; d < term.size(); ++d) {
      const std::int64_t index = i[labels.find(term[d])];
      result.push_back(limits != nullptr && (*limits)[d] == 1 ? 0 : index);
    }
    return result;
  };
  Index result_sizes;
  for (const char label : parts.back()) {
    result_sizes.push_back(sizes[label]);
  }
  Array y = array_of(result_sizes);
  for_each_index(all, [&](const Index& i) {
    double product = 1;
    for (std::size_t k = 0; k < x.size(); ++k) {
      product *= x[k].at(at(parts[k], i, &x[k].sizes));
    }
    y.at(at(parts.back(), i, nullptr)) += product;
  });
  return y;
}

struct Case {
  const char* label;
  const char* equation;
  const char* terms;
  std::vector<Index> sizes;
  Layout layout = Layout::Contiguous;
  bool aliased = false;
};

std::vector<Case> cases() {
  constexpr Layout kPlain = Layout::Contiguous;
  return {
      {"product", "ij,jk->ik", "ij,jk->ik", {{2, 3}, {3, 4}}},
      {"implicit", "ij,jk", "ij,jk->ik", {{2, 3}, {3, 4}}},
      {"implicit_order", "ba,cb", "ba,cb->ac", {{2, 3}, {4, 2}}},
      {"capitals_first", "bA", "bA->Ab", {{2, 3}}},
      {"spaces", " i j , j k -> i k ", "ij,jk->ik", {{2, 3}, {3, 4}}},
      {"result_transposed", "ij,jk->ki", "ij,jk->ki", {{2, 3}, {3, 4}}},
      {"transpose", "ij->ji", "ij->ji", {{2, 3}}},
      {"same", "ij->ij", "ij->ij", {{2, 3}}},
      {"sum", "ij->", "ij->", {{2, 3}}},
      {"sum_rows", "ij->j", "ij->j", {{2, 3}}},
      {"trace", "ii", "ii->", {{3, 3}}},
      {"diagonal", "ii->i", "ii->i", {{3, 3}}},
      {"diagonal_of_batch", "ibi->bi", "ibi->bi", {{3, 2, 3}}},
      {"triple_diagonal", "iii->i", "iii->i", {{2, 2, 2}}},
      {"two_diagonals", "iijj->ij", "iijj->ij", {{2, 2, 3, 3}}},
      {"dot", "i,i", "i,i->", {{4}, {4}}},
      {"elementwise", "ij,ij->ij", "ij,ij->ij", {{2, 3}, {2, 3}}},
      {"outer", "i,j->ij", "i,j->ij", {{2}, {3}}},
      {"batch", "bij,bjk->bik", "bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}},
      {"batch_last", "ijb,jkb->ikb", "ijb,jkb->ikb", {{3, 4, 2}, {4, 5, 2}}},
      {"attention", "bqhd,bkhd->bhqk", "bqhd,bkhd->bhqk", {{2, 3, 2, 4}, {2, 2, 2, 4}}},
      {"two_sums", "aij,bij->ab", "aij,bij->ab", {{2, 3, 2}, {3, 3, 2}}},
      {"lonely_sums", "ij,kl->jk", "ij,kl->jk", {{2, 3}, {2, 4}}},
      {"bilinear", "bn,anm,bm->ba", "bn,anm,bm->ba", {{2, 3}, {2, 3, 4}, {2, 4}}},
      {"chain", "ij,jk,kl->il", "ij,jk,kl->il", {{2, 3}, {3, 2}, {2, 4}}},
      {"four", "i,j,k,l->ijkl", "i,j,k,l->ijkl", {{2}, {1}, {3}, {2}}},
      {"ellipsis", "...ij,...jk->...ik", "0ij,0jk->0ik", {{2, 3, 4}, {2, 4, 2}}},
      {"ellipsis_implicit", "...ij,...jk", "01ij,01jk->01ik", {{3, 1, 2, 2}, {1, 2, 2, 3}}},
      {"ellipsis_ranks", "...ij,...jk", "01ij,1jk->01ik", {{2, 3, 2, 2}, {3, 2, 2}}},
      {"ellipsis_summed", "...ij->i", "0ij->i", {{2, 3, 4}}},
      {"ellipsis_last", "i...->...", "i01->01", {{2, 3, 2}}},
      {"ellipsis_of_none", "...i,i", "i,i->", {{3}, {3}}},
      {"one_broadcasts", "ij,jk->ik", "ij,jk->ik", {{2, 1}, {3, 4}}},
      {"one_batch_broadcasts", "bij,bjk->bik", "bij,bjk->bik", {{1, 2, 3}, {2, 3, 2}}},
      {"numbers", ",->", ",->", {{}, {}}},
      {"number", "->", "->", {{}}},
      {"number_by_matrix", ",ij", ",ij->ij", {{}, {2, 3}}},
      {"empty", "ij,jk->ik", "ij,jk->ik", {{2, 0}, {0, 3}}},
      {"empty_batch", "bij,bjk->bik", "bij,bjk->bik", {{0, 2, 3}, {0, 3, 2}}},
      {"transposed", "bij,bjk->bik", "bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}, Layout::Transposed},
      {"strided", "ij,kj->ik", "ij,kj->ik", {{2, 3}, {4, 3}}, Layout::Strided},
      {"expanded", "bij,bjk->bik", "bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}, Layout::Expanded},
      {"aliased", "ij,kj->ik", "ij,kj->ik", {{3, 3}, {3, 3}}, kPlain, true},
  };
}

}  // namespace

Samples einsum_samples() {
  Samples all;
  for (const Case& c : cases()) {
    std::vector<Operand> operands;
    std::string list;
    for (std::size_t i = 0; i < c.sizes.size(); ++i) {
      operands.push_back({c.sizes[i], -2, 2, c.layout, Of::Number, c.aliased && i > 0 ? 0 : -1});
      list += ", x[" + std::to_string(i) + "]";
    }
    all.push_back({.op = "einsum",
                   .label = c.label,
                   .operands = operands,
                   .call = [e = c.equation](const Tensors& x) { return einsum(e, x); },
                   .reference = [t = std::string(c.terms)](const Arrays& x) { return einsum_of(t, x); },
                   .tolerance = 8,
                   .torch = std::string("torch.einsum('") + c.equation + "'" + list + ")"});
  }
  struct Dots {
    const char* label;
    const char* terms;
    Index x;
    Index w;
    Index x_dims;
    Index w_dims;
    const char* torch;
  };
  for (const Dots& c : std::vector<Dots>{{"product", "ij,jk->ik", {2, 3}, {3, 4}, {1}, {0}, "[1], [0]"},
                                         {"two", "aij,jib->ab", {2, 3, 4}, {4, 3, 2}, {1, 2}, {1, 0}, "[1, 2], [1, 0]"},
                                         {"negative", "ij,kj->ik", {2, 3}, {4, 3}, {-1}, {-1}, "[-1], [-1]"},
                                         {"all", "ij,ij->", {2, 3}, {2, 3}, {0, 1}, {0, 1}, "[0, 1], [0, 1]"},
                                         {"none", "i,j->ij", {2}, {3}, {}, {}, "[], []"},
                                         {"empty", "ij,jk->ik", {2, 0}, {0, 4}, {1}, {0}, "[1], [0]"}}) {
    all.push_back({.op = "tensordot",
                   .label = c.label,
                   .operands = {{c.x}, {c.w}},
                   .call = [c](const Tensors& x) { return tensordot(x[0], x[1], c.x_dims, c.w_dims); },
                   .reference = [t = std::string(c.terms)](const Arrays& x) { return einsum_of(t, x); },
                   .tolerance = 8,
                   .torch = std::string("torch.tensordot(x[0], x[1], dims=(") + c.torch + "))"});
  }
  return all;
}

}  // namespace backflow::test
