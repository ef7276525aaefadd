#include <backflow/nn/modules/embedding.h>
#include <backflow/nn/modules/embedding_bag.h>
#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

/// The keys of both kinds of tables. padding_idx is -1 for none.
struct Table {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t padding = -1;
  double max_norm = 0;
  double norm_type = 2;
  bool scale = false;
};

Table read_table(const LayerKeys& keys) {
  Table table;
  table.rows = keys.integer({"num_embeddings", "rows of the table, one for each token; 0: as many as the data have"},
                            {.at_least = 0, .at_most = kMaxSize}, 0);
  table.columns = keys.integer({"embedding_dim", "size of the vector that stands for a token"},
                               {.at_least = 1, .at_most = kMaxSize});
  table.padding = keys.integer({"padding_idx", "a token whose vector stays 0 and is not trained; -1: none"},
                               {.at_least = -1, .at_most = kMaxSize}, -1);
  table.max_norm =
      keys.number({"max_norm", "vectors are scaled to at most this norm; 0: not at all"}, {.at_least = 0}, 0.0);
  table.norm_type = keys.number({"norm_type", "order of that norm"}, {.above = 0}, 2.0);
  table.scale =
      keys.boolean({"scale_grad_by_freq", "divide gradients by how often their token is in the batch"}, false);
  return table;
}

/// The rows for these inputs, after all checks.
std::int64_t rows_for(const LayerKeys& keys, const Table& table, const LayerInput& input, ParameterBudget& budget) {
  const std::int64_t rows = table.rows > 0 ? table.rows : input.vocabulary;
  if (rows < input.vocabulary) {
    keys.fail("num_embeddings", to_text("num_embeddings ", rows, " for tokens below ", input.vocabulary,
                                        ": need at least ", input.vocabulary));
  }
  if (table.padding >= rows) {
    keys.fail("padding_idx", to_text("padding_idx ", table.padding, ": need one below the ", rows, " rows"));
  }
  take_parameters(keys, "embedding_dim", static_cast<double>(rows) * static_cast<double>(table.columns), budget);
  return rows;
}

template <class Options>
Options options_of(const Table& table, std::int64_t rows) {
  Options options(rows, table.columns);
  options.norm_type(table.norm_type).scale_grad_by_freq(table.scale);
  if (table.padding >= 0) {
    options.padding_idx(table.padding);
  }
  if (table.max_norm > 0) {
    options.max_norm(table.max_norm);
  }
  return options;
}

LayerOptions::Make embedding(const LayerKeys& keys) {
  const Table table = read_table(keys);
  return [=](LayerInput& input, ParameterBudget& budget) {
    return nn::Embedding(options_of<nn::EmbeddingOptions>(table, rows_for(keys, table, input, budget)));
  };
}

LayerOptions::Make embedding_bag(const LayerKeys& keys) {
  const Table table = read_table(keys);
  const std::string mode =
      keys.choice({"mode", "how the vectors of a sample's tokens become one"}, {"mean", "sum", "max"}, "mean");
  if (table.scale && mode == "max") {
    keys.fail("mode", "mode \"max\" with scale_grad_by_freq: need one of the two");
  }
  return [=](LayerInput& input, ParameterBudget& budget) {
    check_dims(keys, input, 2, 2, "[batch, tokens]");
    auto options = options_of<nn::EmbeddingBagOptions>(table, rows_for(keys, table, input, budget));
    options.mode(mode == "mean"  ? nn::EmbeddingBagMode(kMean)
                 : mode == "sum" ? nn::EmbeddingBagMode(kSum)
                                 : nn::EmbeddingBagMode(kMax));
    return nn::EmbeddingBag(options);
  };
}

}  // namespace

LayerTypes embedding_types() {
  return {
      {"embedding", "a trained vector for each token: [batch, ...] to [batch, ..., embedding_dim]", embedding,
       Takes::Tokens},
      {"embedding_bag", "mean, sum or maximum of the tokens' vectors: [batch, tokens] to [batch, embedding_dim]",
       embedding_bag, Takes::Tokens},
  };
}

}  // namespace backflow::train
