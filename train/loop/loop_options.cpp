#include <backflow/train/loop/loop_options.h>

namespace backflow::train {

EvaluationOptions read_evaluation(const io::Section& s) {
  return {.every_epochs = s.integer({"every_epochs",
                                     "epochs between two evaluations, on the validation data, or the test data where "
                                     "there are none; 0: at the end of the run alone"},
                                    {.at_least = 0}, 1),
          .every_steps = s.integer({"every_steps", "steps between two further evaluations; 0: none within an epoch"},
                                   {.at_least = 0}, 0)};
}

EarlyStoppingOptions read_early_stopping(const io::Section& s) {
  return {
      .metric = s.string({"metric", "metric of the evaluations that has to improve, as `loss` or `accuracy`"}, "loss"),
      .patience = s.integer({"patience", "evaluations in a row without an improvement that end the run; 0: none do"},
                            {.at_least = 0}, 0),
      .min_delta = s.number({"min_delta", "a smaller change of the metric is no improvement"}, {.at_least = 0}, 0.0),
      .section = s};
}

EmaOptions read_ema(const io::Section& s) {
  return {.decay = s.number({"decay",
                             "decay of a moving average of the weights, which evaluations and dumps take in their "
                             "place: average = decay average + (1 - decay) weight after every step; 0: no average"},
                            {.at_least = 0, .below = 1}, 0.0),
          .warmup = s.boolean({"warmup",
                               "step t takes at most (1 + t) / (10 + t) as decay, so that the first weights are "
                               "soon forgotten"},
                              false)};
}

InitOptions read_init(const io::Section& s) {
  return {
      .file = s.string({"file",
                        "file with parameters to start from, a dump or what `backflow convert` reads; what it lacks, "
                        "or has in another shape, keeps its random start; `--init FILE` sets this key"},
                       ""),
      .exclude =
          s.strings({"exclude", "patterns of names that are not loaded, as `head.*`"}, std::vector<std::string>{}),
      .strict = s.boolean({"strict", "refuse a file that lacks a parameter, or has it in another shape"}, false),
      .section = s};
}

}  // namespace backflow::train
