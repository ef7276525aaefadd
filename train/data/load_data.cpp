#include <backflow/train/data/load_data.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <utility>

#include <backflow/distributed/sampler.h>
#include <backflow/train/data/augmentation.h>
#include <backflow/train/data/formats.h>
#include <backflow/train/data/normalization.h>
#include <backflow/train/data/targets.h>

namespace backflow::train {
namespace {

using Numbers = std::shared_ptr<const std::vector<std::int64_t>>;

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    constexpr unsigned char kSpace = 0x20;
    constexpr unsigned char kDelete = 0x7f;
    if (byte < kSpace || byte == kDelete) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", byte);
      result += code;
    } else {
      result += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
  }
  return result + '"';
}

std::string list_of(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "[" : ", ") + quoted(word);
  }
  return text.empty() ? "[]" : text + "]";
}

/// In digits that give the same bits again.
std::string list_of(const std::vector<double>& numbers) {
  std::string text;
  for (const double number : numbers) {
    char digits[40];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
    static_cast<void>(error);  // no double needs as many digits
    text += (text.empty() ? "[" : ", ") + std::string(digits, end);
  }
  return text.empty() ? "[]" : text + "]";
}

Numbers all_of(std::int64_t n) {
  auto numbers = std::make_shared<std::vector<std::int64_t>>(static_cast<std::size_t>(n));
  std::iota(numbers->begin(), numbers->end(), 0);
  return numbers;
}

/// The training data's part and the validation data's, each ascending.
std::pair<Numbers, Numbers> split(const DataOptions& options, const SampleSource& source, std::uint64_t seed) {
  // Another order than those of epochs, which start at 0.
  constexpr std::int64_t kSplitEpoch = std::int64_t{1} << 40;
  const std::int64_t block = source.block();
  const std::int64_t blocks = (source.size() + block - 1) / block;
  const auto taken = static_cast<std::int64_t>(std::llround(options.validation * static_cast<double>(blocks)));
  if (taken < 1 || taken >= blocks) {
    options.section.fail("validation",
                         to_text("'validation' in [data] is ", options.validation, " of ", blocks,
                                 block > 1 ? " blocks" : " samples", ": need at least one in each of the two parts"));
  }
  std::vector<bool> held(static_cast<std::size_t>(blocks), false);
  const std::vector<std::int64_t> order = distributed::shuffled(blocks, seed, kSplitEpoch);
  for (std::int64_t i = 0; i < taken; ++i) {
    held[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = true;
  }
  auto kept = std::make_shared<std::vector<std::int64_t>>();
  auto validation = std::make_shared<std::vector<std::int64_t>>();
  for (std::int64_t i = 0; i < source.size(); ++i) {
    (held[static_cast<std::size_t>(i / block)] ? *validation : *kept).push_back(i);
  }
  return {kept, validation};
}

/// Throws unless the two have samples and targets of one kind.
void check_alike(const DataOptions& options, const SampleSource& data, const std::string& file, const DataInfo& first,
                 const std::string& first_file) {
  const DataInfo& info = data.info();
  check(info.sample_shape == first.sample_shape, file, ": samples of shape ", info.sample_shape, ", in ", first_file,
        " of ", first.sample_shape, ": need one shape");
  check(info.target == first.target, file, ": targets are ", name_of(info.target), ", in ", first_file, " ",
        name_of(first.target), ": need the same; data.target says which");
  check(info.target == TargetKind::Class || info.target_shape == first.target_shape, file, ": targets of shape ",
        info.target_shape, ", in ", first_file, " of ", first.target_shape, ": need one shape");
  check(info.feature_names == first.feature_names, file, ": its columns are not those of ", first_file,
        ": need the same features in the same order");
  if (info.target == TargetKind::Class) {
    const std::string labels = options.format == "idx" ? options.path(options.test_labels) : file;
    const std::string whose = options.format == "idx" ? options.path(options.train_labels) : first_file;
    check_classes(data.read_targets(*all_of(data.size())), labels, first.classes, whose);
  }
}

class DataLoader {
 public:
  DataLoader(const DataOptions& options, ScalarType dtype, std::uint64_t seed, Contents contents)
      : given_(options), options_(options), dtype_(dtype), seed_(seed), contents_(contents) {}

  LoadedData load(DataPurpose purpose, Mistakes& mistakes) {
    LoadedData data;
    std::shared_ptr<const SampleSource> training;
    mistakes.attempt([&] { check_validation(); });
    needs_training_ = reads_training_data(options_, purpose);
    if (needs_training_ && mistakes.attempt([&] { training = load_files(Part::Train); })) {
      if (options_.target == "auto" && (options_.format == "hdf5" || options_.format == "numpy")) {
        options_.target = name_of(training->info().target);  // of other files too, and of those without targets
      }
      mistakes.attempt([&] { add_training(training, data); });
    }
    mistakes.attempt([&] { add_other(Part::Validation, data.validation, training); });
    mistakes.attempt([&] { add_other(Part::Test, data.test, training); });
    data.settled = settled();
    return data;
  }

 private:
  void check_validation() const {
    if (options_.validation > 0 && !file_of_part(options_, Part::Validation).empty()) {
      options_.section.fail("validation",
                            "'validation' in [data] is given, and a file of validation data too: need one");
    }
  }

  std::shared_ptr<const SampleSource> load_files(Part part) {
    check_files(options_, part);
    return load_part(options_, part, seed_, contents_);
  }

  void add_training(const std::shared_ptr<const SampleSource>& source, LoadedData& data) {
    Numbers kept;
    Numbers held;
    if (options_.validation > 0) {
      std::tie(kept, held) = split(options_, *source, seed_);
    }
    normalization_ = normalization(*source, kept ? kept : all_of(source->size()));
    std::shared_ptr<const Augmentation> augmentation;
    if (options_.augment.any()) {
      augmentation = std::make_shared<Augmentation>(options_, source->info(), seed_);
    }
    data.train.emplace(source, BatchOptions{dtype_, *normalization_, augmentation}, kept);
    if (held) {
      data.validation.emplace(source, BatchOptions{dtype_, *normalization_, nullptr}, held);
    }
  }

  void add_other(Part part, std::optional<BatchMaker>& to, const std::shared_ptr<const SampleSource>& training) {
    const std::shared_ptr<const SampleSource> source = load_files(part);
    if (!source) {
      return;
    }
    if (training) {
      check_alike(options_, *source, options_.path(file_of_part(options_, part)), training->info(),
                  options_.path(file_of_part(options_, Part::Train)));
    }
    if (!normalization_ && !needs_training_) {
      normalization_ = normalization(*source, nullptr);
    }
    to.emplace(source, BatchOptions{dtype_, normalization_.value_or(Normalization{}), nullptr});
  }

  /// Of no samples: the numbers that the options give.
  Normalization normalization(const SampleSource& source, const Numbers& samples) {
    const DimVector& shape = source.info().sample_shape;
    if (source.info().target == TargetKind::Tokens || options_.normalize == "none") {
      return {};
    }
    if (options_.normalize == "auto") {
      if (contents_ == Contents::Shapes) {
        return {};
      }
      if (!samples) {
        options_.section.fail(
            "normalize", "'normalize' in [data] is \"auto\": need \"given\" with the numbers of the training data");
      }
      const Normalization measured = measure_normalization(source, *samples);
      options_.normalize = "given";
      options_.means = measured.means;
      options_.stds = measured.stds;
    }
    if (options_.means.empty()) {
      return {{options_.mean}, {options_.std}};
    }
    const bool fits =
        options_.means.size() == 1 || (!shape.empty() && static_cast<std::int64_t>(options_.means.size()) == shape[0]);
    if (!fits) {
      options_.section.fail(
          "means", to_text("'means' in [data] has ", options_.means.size(), " numbers, samples have the shape ", shape,
                           ": need one for each channel or feature, the first size"));
    }
    return {options_.means, options_.stds};
  }

  std::vector<std::string> settled() const {
    std::vector<std::string> overrides;
    const auto add = [&](const std::string& key, const std::string& value) {
      overrides.push_back("data." + key + "=" + value);
    };
    if (options_.normalize != given_.normalize) {
      add("normalize", quoted(options_.normalize));
      add("means", list_of(options_.means));
      add("stds", list_of(options_.stds));
    }
    if (options_.class_names != given_.class_names) {
      add("class_names", list_of(options_.class_names));
    }
    if (options_.feature_columns != given_.feature_columns) {
      add("feature_columns", list_of(options_.feature_columns));
    }
    if (options_.target != given_.target) {
      add("target", quoted(options_.target));
    }
    if (options_.categories != given_.categories) {
      add("categories", list_of(options_.categories));
    }
    if (options_.missing != given_.missing) {
      add("missing", quoted(options_.missing));
      add("fill_values", list_of(options_.fill_values));
    }
    return overrides;
  }

  const DataOptions& given_;
  DataOptions options_;
  ScalarType dtype_;
  std::uint64_t seed_;
  Contents contents_;
  bool needs_training_ = false;
  std::optional<Normalization> normalization_;
};

}  // namespace

LoadedData load_data(const DataOptions& options, ScalarType dtype, std::uint64_t seed, DataPurpose purpose,
                     Contents contents, Mistakes& mistakes) {
  return DataLoader(options, dtype, seed, contents).load(purpose, mistakes);
}

LoadedData load_data(const DataOptions& options, ScalarType dtype, std::uint64_t seed, DataPurpose purpose) {
  Mistakes mistakes;
  LoadedData data = load_data(options, dtype, seed, purpose, Contents::Samples, mistakes);
  mistakes.check();
  return data;
}

}  // namespace backflow::train
