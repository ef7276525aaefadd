// What the child process that reads a dump sends to its parent.
#include <random>

#include <backflow/io/dumps/dump_catalog_internal.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using namespace backflow::io::detail;
using test::error_of;

namespace {

DumpCatalog sample() {
  DumpCatalog catalog;
  catalog.head = std::string("BACKFLOW-DUMP 3\n\0\xff", 18);
  catalog.format_version = 3;
  catalog.info.step = -1;
  catalog.info.sampler_epoch = INT64_MAX;
  catalog.info.config = "name = \"é\"\n";
  catalog.info.versions = {{"hdf5", "1.10.8"}};
  catalog.info.metadata = {{"no \xff UTF-8 \xc3", "\xc3"}, {"", ""}};
  catalog.tensors = {{"parameters", "0.weight", ElementType::Float32, {2, 3}, std::int64_t{7}, std::uint64_t{4096}},
                     {"loop", "é \xff", ElementType::Bool, {}, {}, {}},
                     {"buffers", "empty", ElementType::Float16, {0, INT64_MAX}, {}, {}}};
  return catalog;
}

}  // namespace

TEST_CASE("dump catalog: comes back as it was sent") {
  const DumpCatalog sent = sample();
  const DumpCatalog got = decode_catalog(encode(sent), "a.h5");
  CHECK(got.head == sent.head);
  CHECK(got.format_version == 3);
  CHECK(got.info.step == -1);
  CHECK(got.info.sampler_epoch == INT64_MAX);
  CHECK(got.info.config == sent.info.config);
  CHECK(got.info.versions == sent.info.versions);
  CHECK(got.info.metadata == sent.info.metadata);
  REQUIRE(got.tensors.size() == sent.tensors.size());
  for (std::size_t i = 0; i < sent.tensors.size(); ++i) {
    CHECK(got.tensors[i].group == sent.tensors[i].group);
    CHECK(got.tensors[i].name == sent.tensors[i].name);
    CHECK(got.tensors[i].type == sent.tensors[i].type);
    CHECK(got.tensors[i].sizes == sent.tensors[i].sizes);
    CHECK(got.tensors[i].stated_checksum == sent.tensors[i].stated_checksum);
    CHECK(got.tensors[i].offset == sent.tensors[i].offset);
  }
  CHECK(got.tensors[0].bytes() == 24U);
  CHECK(got.tensors[1].bytes() == 1U);
  CHECK(got.tensors[2].bytes() == 0U);
}

TEST_CASE("dump catalog: what no reader sends is an error") {
  const auto refused = [](void (*change)(DumpCatalog&)) {
    DumpCatalog catalog = sample();
    change(catalog);
    return error_of([&] { decode_catalog(encode(catalog), "a.h5"); });
  };
  constexpr const char* kStart = "a.h5: the process that reads it sends what is no list of tensors (";
  CHECK_THAT(refused([](DumpCatalog& x) { x.tensors[0].group = "other"; }), StartsWith(kStart));
  CHECK_THAT(refused([](DumpCatalog& x) { x.tensors[0].sizes = {-1}; }), StartsWith(kStart));
  CHECK_THAT(refused([](DumpCatalog& x) { x.tensors[0].sizes = {INT64_MAX, 2}; }), StartsWith(kStart));
  CHECK_THAT(refused([](DumpCatalog& x) { x.tensors[0].type = static_cast<ElementType>(200); }), StartsWith(kStart));
  CHECK_THAT(error_of([] { decode_catalog("", "a.h5"); }), StartsWith(kStart));
}

TEST_CASE("dump catalog: damaged bytes are an error, or another catalog") {
  const std::string whole = encode(sample());
  const auto is_handled = [](const std::string& bytes) {
    const std::string message = error_of([&] { decode_catalog(bytes, "a.h5"); });
    return message == "no error" || message.starts_with("a.h5: ");
  };
  for (std::size_t length = 0; length < whole.size(); ++length) REQUIRE(is_handled(whole.substr(0, length)));
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = whole;
    for (std::size_t k = 0; k < 1 + random() % 4; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    CAPTURE(i);
    REQUIRE(is_handled(damaged));
  }
}
