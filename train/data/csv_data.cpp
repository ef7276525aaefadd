#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <backflow/io/datasets/csv.h>
#include <backflow/io/nearest.h>
#include <backflow/runtime/tensor/tensor.h>
#include <backflow/train/data/formats.h>
#include <backflow/train/data/missing_values.h>
#include <backflow/train/data/targets.h>

namespace backflow::train::detail {
namespace {

/// A number of a sample: a column, or whether a column has a certain word.
struct Feature {
  const io::CsvColumn* column = nullptr;
  std::string name;
  std::int64_t word = -1;  ///< in the column's dictionary; -1: the column is a number; -2: the word does not occur
};

constexpr std::int64_t kNumber = -1;
constexpr std::int64_t kUnseen = -2;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class TableSource {
 public:
  TableSource(DataOptions& options, Part part, Contents contents)
      : options_(options),
        part_(part),
        contents_(contents),
        path_(options.path(file_of_part(options, part))),
        table_(read()) {}

  std::shared_ptr<const SampleSource> make() {
    check_columns("target_columns", options_.target_columns);
    check_columns("feature_columns", options_.feature_columns);
    check_columns("ignore_columns", options_.ignore_columns);
    check_columns("category_columns", options_.category_columns);
    find_features();
    choose_records();
    DataInfo info;
    info.sample_shape = {static_cast<std::int64_t>(features_.size())};
    for (const Feature& feature : features_) {
      info.feature_names.push_back(feature.name);
    }
    Tensor targets = make_table_targets(info);
    const std::vector<double> fill = fill_values(options_, features_.size(), [&] { return means(); });
    check_memory();
    if (contents_ == Contents::Shapes) {
      return std::make_shared<DescribedSource>(std::ssize(records_), std::move(targets), std::move(info));
    }
    return std::make_shared<TensorSource>(make_samples(fill), std::move(targets), std::move(info));
  }

 private:
  io::CsvTable read() const {
    io::CsvOptions options{.separator = options_.separator,
                           .header = options_.header,
                           .missing = options_.missing_cells,
                           .text_columns = options_.category_columns,
                           .most_bytes = options_.memory_bytes};
    if (contents_ == Contents::Shapes) {
      options.kept_columns = options_.target_columns;
    }
    return io::read_csv(path_, options);
  }

  void check_columns(const char* key, const std::vector<std::string>& names) const {
    std::vector<std::string> known;
    for (const io::CsvColumn& column : table_.columns) {
      known.push_back(column.name);
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (table_.find(names[i]) < 0) {
        check(options_.section.has(key), path_, ": its columns are not those of the training data: no column '",
              names[i], "': need it");
        const std::string hint = io::nearest(names[i], known);
        options_.section.fail(
            key, i,
            to_text("'", key, "' in [data]: no column '", names[i], "' in ", path_, ": need one of its ", known.size(),
                    hint.empty() ? "" : "; did you mean '" + hint + "'?"));
      }
    }
  }

  /// The columns that are features, in their order. Those of the training data are put into the options, so that other
  /// files may have more columns, in another order.
  std::vector<const io::CsvColumn*> feature_columns() {
    std::vector<const io::CsvColumn*> columns;
    for (std::size_t i = 0; i < options_.feature_columns.size(); ++i) {
      const std::string& name = options_.feature_columns[i];
      const bool is_target = contains(options_.target_columns, name);
      if (is_target || contains(options_.ignore_columns, name)) {
        options_.section.fail(
            "feature_columns", i,
            to_text("'feature_columns' in [data]: '", name, "' is one of '",
                    is_target ? "target_columns" : "ignore_columns", "' too: need it in one of them"));
      }
      columns.push_back(&table_.columns[static_cast<std::size_t>(table_.find(name))]);
    }
    if (!columns.empty()) {
      return columns;
    }
    for (const io::CsvColumn& column : table_.columns) {
      if (!contains(options_.target_columns, column.name) && !contains(options_.ignore_columns, column.name)) {
        columns.push_back(&column);
      }
    }
    if (part_ == Part::Train) {
      for (const io::CsvColumn* column : columns) {
        options_.feature_columns.push_back(column->name);
      }
    }
    return columns;
  }

  void find_features() {
    for (const io::CsvColumn* column : feature_columns()) {
      if (contains(options_.category_columns, column->name)) {
        add_categories(*column);
        continue;
      }
      check(column->is_numeric, path_, ":", column->first_word_line, ": column '", column->name, "' has '",
            column->first_word, "': need a number; name it in data.category_columns or data.ignore_columns otherwise");
      features_.push_back({column, column->name, kNumber});
    }
    if (features_.empty()) {
      options_.section.fail("ignore_columns", to_text("no column of ", path_, " is left as a feature: need one"));
    }
    if (part_ == Part::Train && options_.categories.empty()) {
      for (const Feature& feature : features_) {
        if (feature.word != kNumber) {
          options_.categories.push_back(feature.name);
        }
      }
    }
  }

  /// A feature for each word: those of the options, or else those that occur, sorted.
  void add_categories(const io::CsvColumn& column) {
    const std::string prefix = column.name + "=";
    std::vector<std::string> words;
    for (const std::string& category : options_.categories) {
      if (category.starts_with(prefix)) {
        words.push_back(category.substr(prefix.size()));
      }
    }
    if (words.empty()) {
      words = column.dictionary;
      std::sort(words.begin(), words.end());
    }
    for (const std::string& word : words) {
      const auto place = std::find(column.dictionary.begin(), column.dictionary.end(), word);
      features_.push_back(
          {&column, prefix + word, place == column.dictionary.end() ? kUnseen : place - column.dictionary.begin()});
    }
  }

  /// Those with a target and, where such are dropped, no missing feature.
  void choose_records() {
    std::vector<bool> dropped(static_cast<std::size_t>(table_.records()), false);
    const auto drop = [&](const io::CsvColumn& column, const char* what) {
      if (options_.missing != "drop" && !column.missing.empty()) {
        const std::int64_t record = column.missing.front();
        fail(path_, ":", table_.lines[static_cast<std::size_t>(record)], ": column '", column.name,
             "' has no value: need one", what);
      }
      for (const std::int64_t record : column.missing) {
        dropped[static_cast<std::size_t>(record)] = true;
      }
    };
    if (options_.target != "input") {
      for (const std::string& name : options_.target_columns) {
        drop(table_.columns[static_cast<std::size_t>(table_.find(name))],
             "; missing = \"drop\" leaves such records out");
      }
    }
    const bool filled = options_.missing == "mean" || options_.missing == "fill";
    for (const Feature& feature : features_) {
      if (!filled) {
        drop(*feature.column, "; data.missing says what else may be done");
      }
    }
    for (std::int64_t i = 0; i < table_.records(); ++i) {
      if (!dropped[static_cast<std::size_t>(i)]) {
        records_.push_back(i);
      }
    }
    check(!records_.empty(), path_, ": no records", table_.records() > 0 ? " without missing values" : "",
          ": need at least one");
  }

  std::vector<double> means() const {
    std::vector<double> means;
    for (const Feature& feature : features_) {
      means.push_back(feature.word == kNumber ? mean_of(*feature.column) : 0);
    }
    return means;
  }

  static double mean_of(const io::CsvColumn& column) {
    const double n = static_cast<double>(column.numbers.size() - column.missing.size());
    return n > 0 ? std::accumulate(column.numbers.begin(), column.numbers.end(), 0.0) / n : 0;
  }

  void check_memory() const {
    const std::size_t n = records_.size();
    const std::size_t width = features_.size();
    check(n <= options_.memory_bytes / sizeof(double) / width, path_, ": ", n, " records of ", width,
          " features need more than the ", options_.memory_bytes, " bytes of data.memory_mb: need fewer categories");
  }

  Tensor make_samples(const std::vector<double>& fill) const {
    const std::size_t n = records_.size();
    const std::size_t width = features_.size();
    Tensor samples = empty_tensor({static_cast<std::int64_t>(n), static_cast<std::int64_t>(width)}, kFloat64);
    double* const x = samples.mutable_data_ptr<double>();
    for (std::size_t f = 0; f < width; ++f) {
      const Feature& feature = features_[f];
      auto missing = feature.column->missing.begin();
      for (std::size_t i = 0; i < n; ++i) {
        const auto record = static_cast<std::size_t>(records_[i]);
        missing = std::lower_bound(missing, feature.column->missing.end(), records_[i]);
        const bool is_missing = missing != feature.column->missing.end() && *missing == records_[i];
        const bool number = feature.word == kNumber;
        x[i * width + f] = is_missing ? (number ? fill[f] : 0)
                           : number   ? feature.column->numbers[record]
                                      : static_cast<double>(feature.column->words[record] == feature.word);
      }
    }
    return samples;
  }

  Tensor make_table_targets(DataInfo& info) {
    const std::vector<std::string>& names = options_.target_columns;
    const auto n = static_cast<std::int64_t>(records_.size());
    if (options_.target == "input") {
      return make_targets({}, n, "input", path_, info);
    }
    if (names.empty()) {
      options_.section.fail("target_columns",
                            "'target_columns' in [data] is empty: need a column, or target = \"input\"");
    }
    std::vector<const io::CsvColumn*> columns;
    for (const std::string& name : names) {
      columns.push_back(&table_.columns[static_cast<std::size_t>(table_.find(name))]);
    }
    const bool words = columns.size() == 1 && (!columns[0]->is_numeric || !options_.class_names.empty());
    if (words && options_.target != "values" && options_.target != "labels") {
      return word_classes(*columns[0], info);
    }
    const std::string wanted = options_.target == "auto" ? "values" : options_.target;
    info.target_names = names;
    return number_targets(columns, wanted, info);
  }

  Tensor number_targets(const std::vector<const io::CsvColumn*>& columns, const std::string& wanted, DataInfo& info) {
    const auto n = static_cast<std::int64_t>(records_.size());
    Tensor raw = empty_tensor({n, static_cast<std::int64_t>(columns.size())}, kFloat64);
    double* to = raw.mutable_data_ptr<double>();
    for (const io::CsvColumn* column : columns) {
      check(column->is_numeric, path_, ":", column->first_word_line, ": column '", column->name, "' has '",
            column->first_word, "': need a number, or target = \"class\"");
    }
    for (const std::int64_t record : records_) {
      for (const io::CsvColumn* column : columns) {
        *to++ = column->numbers[static_cast<std::size_t>(record)];
      }
    }
    return make_targets(raw, n, wanted, path_, info);
  }

  /// Classes that are words, or numbers that the options list as such.
  Tensor word_classes(const io::CsvColumn& column, DataInfo& info) {
    check(!column.is_numeric, path_, ": column '", column.name,
          "' holds numbers, data.class_names words: need words, or no class_names");
    if (options_.class_names.empty()) {
      options_.class_names = column.dictionary;
      std::sort(options_.class_names.begin(), options_.class_names.end());
    }
    const std::vector<std::string>& names = options_.class_names;
    std::vector<std::int64_t> class_of;
    for (const std::string& word : column.dictionary) {
      const auto place = std::find(names.begin(), names.end(), word);
      class_of.push_back(place == names.end() ? -1 : place - names.begin());
    }
    Tensor classes = empty_tensor({static_cast<std::int64_t>(records_.size())}, kInt64);
    auto* to = classes.mutable_data_ptr<std::int64_t>();
    for (const std::int64_t record : records_) {
      const std::uint32_t word = column.words[static_cast<std::size_t>(record)];
      check(class_of[word] >= 0, path_, ":", table_.lines[static_cast<std::size_t>(record)], ": column '", column.name,
            "' has '", column.dictionary[word], "': need one of the ", names.size(), " classes of the training data");
      *to++ = class_of[word];
    }
    info.target = TargetKind::Class;
    info.classes = static_cast<std::int64_t>(names.size());
    info.class_names = names;
    return classes;
  }

  DataOptions& options_;
  Part part_;
  Contents contents_;
  std::string path_;
  io::CsvTable table_;
  std::vector<Feature> features_;
  std::vector<std::int64_t> records_;
};

}  // namespace

std::shared_ptr<const SampleSource> load_csv(DataOptions& options, Part part, Contents contents) {
  return TableSource(options, part, contents).make();
}

}  // namespace backflow::train::detail
