#include <backflow/train/run/digest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include <backflow/ops/functions.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::train {
namespace {

/// Adds eight bytes: a product by an odd number loses nothing, and the shift brings its high bits down again (Murmur3).
std::uint64_t mixed(std::uint64_t state, std::uint64_t word) {
  state = (state ^ word) * 0xff51afd7ed558ccdULL;
  return state ^ (state >> 32);
}

std::uint64_t digest_of_piece(std::span<const std::byte> bytes) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  std::uint64_t state = bytes.size();
  std::size_t done = 0;
  for (; done + kWord <= bytes.size(); done += kWord) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + done, kWord);
    state = mixed(state, word);
  }
  std::uint64_t rest = 0;
  if (done < bytes.size()) {
    std::memcpy(&rest, bytes.data() + done, bytes.size() - done);
  }
  return mixed(state, rest);
}

}  // namespace

std::uint64_t digest_of(std::span<const std::byte> bytes) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;  // fixed, so that threads don't matter
  std::vector<std::uint64_t> pieces((bytes.size() + kPiece - 1) / kPiece);
  parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
    const auto piece = static_cast<std::size_t>(i);
    const std::size_t begin = piece * kPiece;
    pieces[piece] = digest_of_piece(bytes.subspan(begin, std::min(kPiece, bytes.size() - begin)));
  });
  std::uint64_t state = bytes.size();
  for (const std::uint64_t piece : pieces) {
    state = mixed(state, piece);
  }
  return state;
}

std::uint64_t digest_of_tensor(const Tensor& x) {
  const Tensor dense = contiguous(x.detach());
  return digest_of(std::span(static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()));
}

std::uint64_t combined_digest(std::uint64_t first, std::uint64_t second) { return mixed(first, second); }

std::string hexadecimal_digest(std::uint64_t digest) {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(digest));
  return text;
}

std::string describe_program() {
  std::ifstream in("/proc/self/exe", std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  return content.empty() ? ""
                         : to_text(content.size(), " bytes, digest ",
                                   hexadecimal_digest(digest_of(std::as_bytes(std::span(content)))));
}

std::string describe_dump(const io::Dump& dump) {
  std::uint64_t state = 0;
  for (const io::NamedTensors* tensors :
       {&dump.parameters, &dump.buffers, &dump.optimizer, &dump.trained, &dump.loop}) {
    for (const auto& [name, tensor] : *tensors) {
      state = mixed(mixed(state, digest_of(std::as_bytes(std::span(name)))), digest_of_tensor(tensor));
    }
  }
  state = mixed(mixed(state, static_cast<std::uint64_t>(dump.sampler_epoch)),
                static_cast<std::uint64_t>(dump.sampler_position));
  return to_text("step ", dump.step, ", epoch ", dump.epoch, ", digest ", hexadecimal_digest(state));
}

}  // namespace backflow::train
