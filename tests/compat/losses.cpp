// Losses of torch::nn::functional and their modules.
#include <backflow/tests/compat/torch_api.h>

namespace F = torch::nn::functional;
namespace nn = torch::nn;

namespace {

torch::Tensor scores() {
  return torch::tensor({{-1.0, 0.5, 2.0}, {0.25, -0.75, 1.5}, {1.0, 1.25, -0.5}, {0.0, 2.0, -1.0}});
}

torch::Tensor targets() {
  return torch::tensor({{0.25, 0.5, 1.0}, {0.75, 0.125, 0.5}, {0.0, 1.0, 0.25}, {0.5, 0.375, 0.875}});
}

/// Shows a loss and the gradient that it has.
void show_loss(const char* what, const torch::Tensor& loss, torch::Tensor& x) {
  show(what, loss);
  loss.sum().backward();
  show("  gradient", x.grad() + 0);  // without the sign of zeros
  x.mutable_grad() = torch::Tensor();
}

void differences() {
  auto x = scores().requires_grad_();
  auto t = targets();
  show_loss("l1_loss", F::l1_loss(x, t), x);
  show_loss("mse_loss", F::mse_loss(x, t, F::MSELossFuncOptions(torch::kNone)), x);
  show_loss("smooth_l1_loss", F::smooth_l1_loss(x, t, F::SmoothL1LossFuncOptions(torch::kSum)), x);
  show_loss("huber_loss", F::huber_loss(x, t, F::HuberLossFuncOptions().reduction(torch::kSum).delta(0.5)), x);
  show_loss("L1Loss", nn::L1Loss(nn::L1LossOptions(torch::kSum))(x, t), x);
  show_loss("MSELoss", nn::MSELoss()(x, t), x);
  show_loss("HuberLoss", nn::HuberLoss(nn::HuberLossOptions().delta(0.25))(x, t), x);
}

void probabilities() {
  auto x = scores().requires_grad_();
  auto t = targets();
  auto weight = torch::tensor({0.5, 1.0, 2.0});
  auto positive = torch::tensor({3.0, 1.0, 0.5});
  show_loss("binary_cross_entropy", F::binary_cross_entropy(torch::sigmoid(x), t), x);
  show_loss("binary_cross_entropy, weighted",
            F::binary_cross_entropy(torch::sigmoid(x), t, F::BinaryCrossEntropyFuncOptions().weight(weight)), x);
  show_loss("with logits", F::binary_cross_entropy_with_logits(x, t), x);
  show_loss("with logits and weights",
            F::binary_cross_entropy_with_logits(
                x, t, F::BinaryCrossEntropyWithLogitsFuncOptions().weight(weight).pos_weight(positive)),
            x);
  show_loss("BCEWithLogitsLoss",
            nn::BCEWithLogitsLoss(nn::BCEWithLogitsLossOptions().pos_weight(positive).reduction(torch::kSum))(x, t), x);
  show_loss("BCELoss", nn::BCELoss(nn::BCELossOptions().reduction(torch::kNone))(torch::sigmoid(x), t), x);
  auto log_p = F::log_softmax(x, F::LogSoftmaxFuncOptions(1));
  show_loss("kl_div", F::kl_div(log_p, t, F::KLDivFuncOptions(torch::kBatchMean)), x);
  log_p = F::log_softmax(x, F::LogSoftmaxFuncOptions(1));
  show_loss("KLDivLoss", nn::KLDivLoss(nn::KLDivLossOptions().reduction(torch::kSum).log_target(true))(log_p, t), x);
  show_loss("poisson_nll_loss", F::poisson_nll_loss(x, t, F::PoissonNLLLossFuncOptions().full(true)), x);
}

void classes() {
  auto x = scores().requires_grad_();
  auto weight = torch::tensor({0.5, 1.0, 2.0});
  auto labels = torch::tensor({2, 0, -100, 1}, torch::kLong);
  show_loss("cross_entropy", F::cross_entropy(x, labels), x);
  show_loss("cross_entropy, weighted", F::cross_entropy(x, labels, F::CrossEntropyFuncOptions().weight(weight)), x);
  show_loss("cross_entropy, smooth, by row",
            F::cross_entropy(x, labels, F::CrossEntropyFuncOptions().label_smoothing(0.1).reduction(torch::kNone)), x);
  show_loss(
      "cross_entropy, ignoring 1",
      F::cross_entropy(x, torch::tensor({2, 0, 1, 1}, torch::kLong), F::CrossEntropyFuncOptions().ignore_index(1)), x);
  show_loss("cross_entropy of probabilities", F::cross_entropy(x, targets()), x);
  show_loss("CrossEntropyLoss",
            nn::CrossEntropyLoss(nn::CrossEntropyLossOptions().weight(weight).label_smoothing(0.2))(x, labels), x);
  auto images = x.reshape({2, 3, 2});
  auto pixels = torch::tensor({{1, 0}, {2, 2}}, torch::kLong);
  show_loss("cross_entropy of images", F::cross_entropy(images, pixels), x);
  images = x.reshape({2, 3, 2});
  show_loss("nll_loss of images", F::nll_loss(images, pixels, F::NLLLossFuncOptions().weight(weight)), x);
  nn::NLLLoss nll(nn::NLLLossOptions().weight(weight).ignore_index(0));
  show_loss("NLLLoss", nll(x, torch::tensor({2, 0, 1, 1}, torch::kLong)), x);
  show("its weight", nll->weight);
  show("ignoring all", torch::isnan(F::cross_entropy(x.detach(), torch::full({4}, -100, torch::kLong))));
  throws("a class that is not there", [&] { F::cross_entropy(x, torch::tensor({2, 0, 3, 1}, torch::kLong)); });
  throws("labels of another length", [&] { F::nll_loss(x, torch::tensor({2, 0, 1}, torch::kLong)); });
}

void margins() {
  auto x = scores().requires_grad_();
  auto signs = torch::tensor({{1.0, -1.0, 1.0}, {-1.0, -1.0, 1.0}, {1.0, 1.0, -1.0}, {-1.0, 1.0, 1.0}});
  auto labels = torch::tensor({2, 0, 1, 1}, torch::kLong);
  show_loss("hinge_embedding_loss", F::hinge_embedding_loss(x, signs, F::HingeEmbeddingLossFuncOptions().margin(2)), x);
  show_loss("HingeEmbeddingLoss", nn::HingeEmbeddingLoss()(x, signs), x);
  show_loss("margin_ranking_loss",
            F::margin_ranking_loss(x, targets(), signs, F::MarginRankingLossFuncOptions().margin(0.5)), x);
  show_loss("MarginRankingLoss", nn::MarginRankingLoss()(x, targets(), signs), x);
  show_loss("soft_margin_loss", F::soft_margin_loss(x, signs), x);
  show_loss("SoftMarginLoss", nn::SoftMarginLoss(nn::SoftMarginLossOptions(torch::kSum))(x, signs), x);
  show_loss("multi_margin_loss", F::multi_margin_loss(x, labels, F::MultiMarginLossFuncOptions().p(2).margin(0.5)), x);
  show_loss("MultiMarginLoss",
            nn::MultiMarginLoss(nn::MultiMarginLossOptions().weight(torch::tensor({0.5, 1.0, 2.0})))(x, labels), x);
  auto many = torch::tensor({{2, 0, -1}, {1, -1, 0}, {0, 1, 2}, {-1, 0, 1}}, torch::kLong);
  show_loss("multilabel_margin_loss", F::multilabel_margin_loss(x, many), x);
  show_loss("MultiLabelSoftMarginLoss", nn::MultiLabelSoftMarginLoss()(x, targets()), x);
}

void embeddings() {
  auto x = scores().requires_grad_();
  auto w = targets();
  auto signs = torch::tensor({1.0, -1.0, 1.0, -1.0});
  show_loss("cosine_similarity", F::cosine_similarity(x, w), x);
  show_loss("CosineSimilarity", nn::CosineSimilarity(nn::CosineSimilarityOptions().dim(0))(x, w), x);
  show_loss("pairwise_distance", F::pairwise_distance(x, w, F::PairwiseDistanceFuncOptions().p(1).keepdim(true)), x);
  show_loss("PairwiseDistance", nn::PairwiseDistance()(x, w), x);
  show_loss("cosine_embedding_loss",
            F::cosine_embedding_loss(x, w, signs, F::CosineEmbeddingLossFuncOptions().margin(0.1)), x);
  show_loss("CosineEmbeddingLoss", nn::CosineEmbeddingLoss()(x, w, signs), x);
  auto far = torch::tensor({{0.5, 0.5, 0.5}, {-1.0, 2.0, 0.25}, {0.75, 1.0, -0.25}, {0.5, 0.25, 1.0}});
  show_loss("triplet_margin_loss",
            F::triplet_margin_loss(x, w, far, F::TripletMarginLossFuncOptions().margin(2).swap(true)), x);
  show_loss("TripletMarginLoss",
            nn::TripletMarginLoss(nn::TripletMarginLossOptions().p(1).reduction(torch::kNone))(x, w, far), x);
}

}  // namespace

int main() {
  differences();
  probabilities();
  classes();
  margins();
  embeddings();
}
