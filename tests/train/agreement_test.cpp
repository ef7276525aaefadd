#include <backflow/train/run/agreement.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/io/config.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/experiment.h>
#include <backflow/train/run/digest.h>
#include <backflow/train/run/resume_changes.h>
#include <backflow/train/run/shared_failure.h>

using namespace backflow;
using namespace backflow::train;

TEST_CASE("agreement: values are compared as numbers where they are numbers") {
  CHECK(same_value("1", "1.0"));
  CHECK(same_value("1e-3", "0.001"));
  CHECK_FALSE(same_value("9007199254740993", "9007199254740992"));  // equal as doubles
  CHECK_FALSE(same_value("[9007199254740993]", "[9007199254740992]"));
  CHECK(same_value("[0, 0.5]", "[0.0, 0.5]"));
  CHECK(same_value("\"a\"", "\"a\""));
  CHECK_FALSE(same_value("1", "1.0000000000000002"));
  CHECK_FALSE(same_value("[0, 0.5]", "[0.0, 0.5, 1]"));
  CHECK_FALSE(same_value("[]", "[0]"));
  CHECK_FALSE(same_value("\"1\"", "1"));
  CHECK_FALSE(same_value("\"1\"", "\"1.0\""));
  CHECK_FALSE(same_value("true", "1"));
  CHECK_FALSE(same_value("", "0"));
}

TEST_CASE("agreement: differences are named with the ranks' values") {
  const Facts a = {{"seed", "1"}, {"lr", "0.05"}};
  const Facts b = {{"seed", "1"}, {"lr", "0.06"}};
  const Facts c = {{"seed", "1.0"}, {"lr", "0.05"}, {"p", "0.5"}};
  CHECK(describe_differences({a}).empty());
  CHECK(describe_differences({a, a, a}).empty());
  CHECK(describe_differences({a, b}) == "lr is 0.05 on rank 0, 0.06 on rank 1");
  CHECK(describe_differences({a, b, a, a}) == "lr is 0.05 on ranks 0,2-3, 0.06 on rank 1");
  CHECK(describe_differences({a, c}) == "p is not given on rank 0, 0.5 on rank 1");
  CHECK(describe_differences({b, c}) ==
        "lr is 0.06 on rank 0, 0.05 on rank 1; p is not given on rank 0, 0.5 on rank 1");
}

TEST_CASE("agreement: many differences, many values and long ones are cut") {
  Facts a;
  Facts b;
  for (int i = 0; i < 11; ++i) {
    a.emplace_back("k" + std::to_string(i), "0");
    b.emplace_back("k" + std::to_string(i), "1");
  }
  CHECK_THAT(describe_differences({a, b}),
             ContainsSubstring("k7 is") && !ContainsSubstring("k8") && EndsWith("; and 3 more"));
  std::vector<Facts> ranks(6);
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    ranks[rank].emplace_back("seed", std::to_string(rank));
  }
  CHECK(describe_differences(ranks) ==
        "seed is 0 on rank 0, 1 on rank 1, 2 on rank 2, 3 on rank 3 and 2 other values elsewhere");
  CHECK(shown(std::string(101, 'x')) == std::string(97, 'x') + "...");
}

TEST_CASE("shared failure: its text and exit code are those of what was thrown; a result comes through") {
  distributed::NullCommunicator world;
  CHECK(on_all_ranks(world, [] { return std::make_unique<int>(7); }) != nullptr);
  const auto code_of = [&](auto error) {
    try {
      on_all_ranks(world, [&] { throw error; });
    } catch (const SharedFailure& failure) {
      CHECK(std::string(failure.what()) == error.what());
      return failure.exit_code();
    }
    return -1;
  };
  CHECK(code_of(io::ConfigError("x.toml:1:1: wrong\nin two lines")) == kWrongUsage);
  CHECK(code_of(Error("data: damaged")) == kFailed);
  CHECK(code_of(std::runtime_error("what else")) == kFailed);
  CHECK(code_of(SharedFailure("inner", kStopped)) == kStopped);
}

TEST_CASE("digest: every byte counts, and so does its place") {
  std::vector<std::byte> bytes(3'000'001);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(i % 251);
  }
  const std::uint64_t digest = digest_of(bytes);
  CHECK(digest_of(bytes) == digest);
  for (const std::size_t i : {0U, 7U, 8U, (1U << 20) - 1, 1U << 20, 2'999'999U, 3'000'000U}) {
    const std::byte kept = bytes[i];
    bytes[i] ^= std::byte{1};
    CHECK(digest_of(bytes) != digest);
    bytes[i] = kept;
  }
  std::swap(bytes[5], bytes[2'000'000]);
  CHECK(digest_of(bytes) != digest);
  CHECK(digest_of(std::span<const std::byte>()) != digest_of(std::vector<std::byte>(1)));
  CHECK(digest_of(std::vector<std::byte>(8)) != digest_of(std::vector<std::byte>(9)));
}

namespace {

const char* const kConfig = "name = 't'\nseed = 1\n[model]\nhidden = [5]\n[optimizer]\nlr = 0.1\nmomentum = 0.9\n";

/// The values of kConfig with one override, and of the data "as they were".
Facts facts(const std::vector<std::string>& overrides) {
  const io::Config config = io::Config::parse(kConfig, "t.toml", overrides);
  Experiment::read(config);
  Facts values = config.values();
  values.emplace_back("data.train", "60 samples");
  values.emplace_back("data.test", "10 samples");
  return values;
}

io::Dump dump() {
  io::Dump dump;
  const io::Config config = io::Config::parse(kConfig, "t.toml");
  Experiment::read(config);
  dump.config = config.resolved();
  dump.train_data = "60 samples";
  dump.test_data = "10 samples";
  return dump;
}

std::string refusal(const Facts& now, const io::Dump& before, const std::vector<std::string>& allowed = {}) {
  try {
    check_changes("d.h5", before, now, allowed);
  } catch (const io::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("resume: what decides the result must be as in the dump") {
  CHECK(refusal(facts({}), dump()).empty());
  for (const char* change :
       {"seed=2", "data.mean=0.5", "data.std=2", "data.shuffle=false", "model.hidden=[6]", "optimizer.name='rmsprop'",
        "optimizer.momentum=0", "train.batch_size=64", "train.dtype='float64'", "train.drop_last=true",
        "train.micro_batches=2", "train.winograd=true"}) {
    const std::string key = std::string(change).substr(0, std::string(change).find('='));
    const std::string value = std::string(change).substr(key.size() + 1);
    INFO(change);
    const std::string error = refusal(facts({change}), dump());
    CHECK_THAT(error, StartsWith("--resume d.h5: "));
    CHECK_THAT(error, ContainsSubstring(key + " is ") && EndsWith("--allow-change " + key));
    CHECK(refusal(facts({change}), dump(), {key}).empty());
    if (key.find('.') != std::string::npos) {
      CHECK(refusal(facts({change}), dump(), {key.substr(0, key.find('.'))}).empty());
    }
    CHECK_FALSE(refusal(facts({change}), dump(), {"checkpoint"}).empty());
  }
  CHECK(refusal(facts({"seed=2", "data.mean=1"}), dump()) ==
        "--resume d.h5: seed is 2, in the dump 1; data.mean is 1, in the dump 0.0: need what the dump has; to go on "
        "with the new values give --allow-change seed --allow-change data.mean");
}

TEST_CASE("resume: how long, how fast and what is dumped may change") {
  for (const char* change :
       {"name='u'", "train.epochs=9", "train.max_steps=9", "train.eval_batch_size=9", "train.clip_grad_norm=1",
        "train.check_gradients=true", "checkpoint.every_steps=9", "checkpoint.keep_last=9", "optimizer.lr=1",
        "optimizer.momentum=0.5", "optimizer.weight_decay=1", "optimizer.nesterov=true", "data.directory=/x",
        "data.train_images=x", "data.test_labels=x", "data.mean=0", "seed=1"}) {
    INFO(change);
    CHECK(refusal(facts({change}), dump()).empty());
  }
}

TEST_CASE("resume: other data are refused, those of a dump that does not describe them are not") {
  io::Dump before = dump();
  before.train_data = "61 samples";
  CHECK_THAT(refusal(facts({}), before), ContainsSubstring("data.train is 60 samples, in the dump 61 samples"));
  CHECK(check_changes("d.h5", before, facts({}), {"data"}).notes ==
        std::vector<std::string>{"changed since the dump: data.train is 60 samples, in the dump 61 samples"});
  before.train_data = before.test_data = "";
  CHECK(check_changes("d.h5", before, facts({}), {}).notes.size() == 1);
  before.config = "";
  CHECK_THAT(check_changes("d.h5", before, facts({"seed=2"}), {}).notes.at(0),
             StartsWith("d.h5 holds no configuration"));
}

TEST_CASE(
    "resume: a dump of an earlier version, in which distributed.reduction was the one key of its section, is taken") {
  io::Dump before = dump();
  before.config =
      before.config.substr(0, before.config.find("\n[distributed]")) + "\n[distributed]\nreduction = \"fast\"\n";
  CHECK(refusal(facts({}), before).empty());
}

TEST_CASE("resume: --allow-change takes keys and sections only") {
  CHECK_NOTHROW(check_allowed_names({"data.mean", "data", "data.train", "model.hidden", "seed"}, facts({})));
  CHECK_THROWS_WITH(check_allowed_names({"data.maen"}, facts({})), EndsWith("did you mean 'data.mean'?"));
  CHECK_THROWS_WITH(check_allowed_names({"mean"}, facts({})), StartsWith("--allow-change mean: no such key"));
}
