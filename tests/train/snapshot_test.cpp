// A snapshot of a dump: what is in it stays as it was, and its memory is used again.
#include <cstring>
#include <string>
#include <utility>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/run/snapshot.h>

using namespace backflow;
using namespace backflow::train;

namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
         std::memcmp(contiguous(a.detach()).const_data_ptr(), contiguous(b.detach()).const_data_ptr(), a.nbytes()) == 0;
}

}  // namespace

TEST_CASE("snapshot: it keeps what training changes, of every group, dtype and layout") {
  const NoGradGuard no_grad;
  const Tensor weight = randn({300, 1000}).requires_grad_();  // more than one piece
  const Tensor turned = randn({40, 30}).transpose(0, 1);
  const Tensor half = randn({7}).to(kBFloat16);
  const Tensor none = empty_tensor({0, 3}, kFloat64);
  const Tensor count = full({}, 3, TensorOptions().dtype(kInt64));
  io::Dump dump;
  dump.parameters = {{"w", weight}, {"turned", turned}};
  dump.buffers = {{"half", half}, {"none", none}};
  dump.optimizer = {{"w", count}};  // the name of another group's tensor
  dump.trained = {{"w", weight}};
  dump.loop = {{"bad", count}};
  dump.step = 7;
  dump.config = "text";
  const Tensor wanted = clone(weight);
  const Tensor wanted_turned = clone(turned);
  Snapshot snapshot;
  const io::Dump& copy = snapshot.take(dump);
  Tensor changed = weight;
  changed.add_(1);
  Tensor(turned).zero_();
  CHECK((copy.step == 7 && copy.config == "text"));
  CHECK(same_bits(copy.parameters[0].second, wanted));
  CHECK(same_bits(copy.parameters[1].second, wanted_turned));
  CHECK(same_bits(copy.buffers[0].second, half));
  CHECK(same_bits(copy.buffers[1].second, none));
  CHECK(same_bits(copy.optimizer[0].second, count));
  CHECK(same_bits(copy.trained[0].second, wanted));
  CHECK(same_bits(copy.loop[0].second, count));
  CHECK(tensor_bytes(copy) == tensor_bytes(dump));
}

TEST_CASE("snapshot: memory is used again from one to the next") {
  const NoGradGuard no_grad;
  const Tensor weight = randn({100, 1000});
  Snapshot snapshot;
  const auto take = [&](const Tensor& w) {
    io::Dump dump;
    dump.parameters = {{"w", w}};
    return snapshot.take(std::move(dump)).parameters[0].second.const_data_ptr();
  };
  const void* const first = take(weight);
  const auto held = memory_stats().current_bytes;
  Tensor(weight).add_(1);
  CHECK(take(weight) == first);
  CHECK(memory_stats().current_bytes == held);
  // Other shapes need other memory, and the former is freed.
  const Tensor smaller = randn({10});
  take(smaller);
  CHECK(memory_stats().current_bytes < held);
}

TEST_CASE("snapshot: memory that was asked for before is what the first copy takes") {
  const NoGradGuard no_grad;
  const Tensor weight = randn({100, 1000});
  io::Dump dump;
  dump.parameters = {{"w", weight}};
  dump.optimizer = {{"gathered", randn({1000})}};
  Snapshot snapshot;
  const auto before = memory_stats().current_bytes;
  snapshot.reserve(dump);
  const auto held = memory_stats().current_bytes;
  CHECK(held - before >= 400'000);
  CHECK(held - before < 404'000);  // what nobody else holds needs no copy
  const io::Dump& copy = snapshot.take(dump);
  CHECK(same_bits(copy.parameters[0].second, weight));
  CHECK(memory_stats().current_bytes <= held + 4'096);
}

TEST_CASE("snapshot: what nobody else holds is taken over without a copy, and freed at release") {
  const NoGradGuard no_grad;
  Snapshot snapshot;
  const auto before = memory_stats().current_bytes;
  io::Dump dump;
  dump.optimizer.emplace_back("w.exp_avg", ones({1000}));
  const void* const gathered = dump.optimizer[0].second.const_data_ptr();
  CHECK(snapshot.take(std::move(dump)).optimizer[0].second.const_data_ptr() == gathered);
  CHECK(memory_stats().current_bytes > before);
  snapshot.release();
  CHECK(memory_stats().current_bytes == before);
  // A view holds on to what others may change.
  const Tensor whole = ones({1000});
  io::Dump views;
  views.optimizer.emplace_back("w", whole.slice(0, 0, 10));
  const io::Dump& copy = snapshot.take(std::move(views));
  Tensor(whole).zero_();
  CHECK(copy.optimizer[0].second.const_data_ptr<float>()[0] == 1);
}
