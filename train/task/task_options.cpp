#include <backflow/train/task/task_options.h>

namespace backflow::train {

TaskOptions read_task(const io::Section& s) {
  constexpr std::int64_t kMostClasses = 1 << 24;
  TaskOptions o{.name = "", .loss = "", .top_k = {}, .section = s};
  o.name = s.choice({"name",
                     "what the model is trained for; `auto` follows the targets of the data: a classification for "
                     "classes, a regression for values, `multi_label` for several labels a sample, an autoencoder "
                     "where the sample is its own target"},
                    {"auto", "classification", "regression", "multi_label", "autoencoder", "gan"}, "auto");
  o.loss = s.choice({"loss",
                     "loss of a sample; `auto` is `cross_entropy` for a classification, `mse` for a regression and an "
                     "autoencoder, `bce` (of logits) for labels and a GAN; a regression also takes `l1` and `huber`, "
                     "an autoencoder `bce`"},
                    {"auto", "cross_entropy", "mse", "l1", "huber", "bce"}, "auto");
  o.label_smoothing = s.number({"label_smoothing", "part of the target's probability that is spread over all classes"},
                               {.at_least = 0, .at_most = 1}, 0.0);
  o.huber_delta = s.number({"huber_delta", "error from which on the Huber loss grows linearly"},
                           {.above = 0, .at_most = 1e30}, 1.0);
  o.top_k = s.integers({"top_k", "for each k the metric `topk`: how often the class is among the k most probable"},
                       {.at_least = 1, .at_most = kMostClasses}, std::vector<std::int64_t>{});
  o.threshold =
      s.number({"threshold", "probability from which on a label counts as predicted"}, {.above = 0, .below = 1}, 0.5);
  return o;
}

}  // namespace backflow::train
