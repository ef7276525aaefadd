// Damaged files end with an Error, or with the tensors that were written; never with a crash, a hang or other tensors.
#include <random>

#include <backflow/runtime/memory/memory.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/exchange/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::make_tensor;
using backflow::test::read_as;

namespace {

struct Sample {
  TensorFormat format;
  std::string bytes;
  std::string contents;
};

std::vector<Sample> samples(const test::TemporaryDirectory& directory) {
  const NamedTensors tensors{{"a.weight", make_tensor<float>({2, 2}, {1, 2, 3, 4})},
                             {"n", make_tensor<std::int64_t>({}, {5})}};
  std::vector<Sample> result;
  for (const auto& [format, name] :
       {std::pair(TensorFormat::Safetensors, "a.safetensors"), std::pair(TensorFormat::Npz, "a.npz"),
        std::pair(TensorFormat::Torch, "a.pt"), std::pair(TensorFormat::Npy, "a.npy")}) {
    const std::string path = directory.file(name);
    write_without_hdf5(path, format == TensorFormat::Npy ? NamedTensors{tensors[0]} : tensors);
    const std::string bytes = test::read_text(path);
    result.push_back({format, bytes, read_as(format, bytes)});
  }
  return result;
}

/// What became of a file: "" for an Error, else its contents.
std::string outcome(TensorFormat format, const std::string& bytes) {
  try {
    return read_as(format, bytes);
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

TEST_CASE("exchange: a file cut at any byte is refused") {
  const test::TemporaryDirectory directory;
  for (const Sample& sample : samples(directory)) {
    INFO(name(sample.format));
    for (std::size_t size = 0; size < sample.bytes.size(); ++size) {
      if (!outcome(sample.format, sample.bytes.substr(0, size)).empty()) FAIL("accepted with " << size << " bytes");
    }
    CHECK(outcome(sample.format, sample.bytes + '\0').empty());
  }
}

TEST_CASE("exchange: a flipped bit is found where the format has checksums, and harmless elsewhere") {
  const test::TemporaryDirectory directory;
  for (const Sample& sample : samples(directory)) {
    INFO(name(sample.format));
    const bool has_checksums = sample.format == TensorFormat::Npz || sample.format == TensorFormat::Torch;
    for (std::size_t bit = 0; bit < 8 * sample.bytes.size(); ++bit) {
      std::string bytes = sample.bytes;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      const std::string result = outcome(sample.format, bytes);
      if (has_checksums && !result.empty() && result != sample.contents) FAIL("bit " << bit << " gave other tensors");
    }
  }
}

TEST_CASE("exchange: random damage takes no more memory than the file could hold") {
  const test::TemporaryDirectory directory;
  std::mt19937 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same damage in every run
  for (const Sample& sample : samples(directory)) {
    INFO(name(sample.format));
    for (int round = 0; round < 3000; ++round) {
      std::string bytes = sample.bytes;
      for (unsigned n = random() % 6 + 1; n > 0; --n) {
        constexpr char kExtremes[] = {'\xff', '\x7f', '\0', '\x80', '9'};
        const std::size_t at = random() % bytes.size();
        const std::size_t length = std::min<std::size_t>(1U << random() % 4, bytes.size() - at);
        const char value = random() % 2 == 0 ? kExtremes[random() % 5] : static_cast<char>(random());
        for (std::size_t i = 0; i < length; ++i) bytes[at + i] = value;
      }
      reset_peak_memory();
      const std::int64_t before = memory_stats().peak_bytes;
      outcome(sample.format, bytes);
      constexpr std::int64_t kCountedInSteps = 64 << 10;
      const std::int64_t more = memory_stats().peak_bytes - before;
      if (more > kCountedInSteps + 4 * static_cast<std::int64_t>(bytes.size()))
        FAIL("round " << round << " took " << more);
    }
  }
}
