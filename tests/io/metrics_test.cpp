#include <backflow/io/metrics.h>

#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;

TEST_CASE("metrics: lines of JSON, flushed one by one") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("metrics.jsonl");
  MetricsWriter writer(path);
  CHECK_FALSE(last_metrics(path));
  writer.write("step", {{"step", 10}, {"loss", 0.1}, {"lr", 5e-05}, {"note", "a \"b\"\n"}, {"ok", true}});
  CHECK(test::read_text(path) ==
        "{\"event\":\"step\",\"step\":10,\"loss\":0.1,\"lr\":5e-05,\"note\":\"a \\\"b\\\"\\n\",\"ok\":true}\n");
  writer.write("final", {{"test_accuracy", 0.875}, {"steps", 3}});
  const auto last = last_metrics(path);
  REQUIRE(last);
  CHECK(*last == MetricRecord{{"event", "final"}, {"test_accuracy", 0.875}, {"steps", 3}});
  CHECK(metric_number(*last, "steps") == 3.0);
  CHECK(error_of([&] { metric_number(*last, "loss"); }) == "metrics: no field 'loss': need a number");
  CHECK(error_of([&] { metric_number(*last, "event"); }) == "metrics: field 'event' is no number: need one");
}

TEST_CASE("metrics: numbers come back to the bit, and so do NaN and infinities") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("metrics.jsonl");
  MetricsWriter writer(path);
  const auto through = [&](double x) {
    writer.write("x", {{"x", x}});
    return metric_number(*last_metrics(path), "x");
  };
  std::mt19937_64 random(3);
  for (int i = 0; i < 2000; ++i) {
    const double x = std::bit_cast<double>(random());
    if (std::isfinite(x)) REQUIRE(through(x) == x);
  }
  CHECK(std::isnan(through(NAN)));
  CHECK(through(INFINITY) == INFINITY);
  CHECK(through(-INFINITY) == -INFINITY);
  CHECK_THAT(test::read_text(path), EndsWith("{\"event\":\"x\",\"x\":\"-Infinity\"}\n"));
  CHECK(std::signbit(through(-0.0)));
  CHECK(through(std::numeric_limits<double>::denorm_min()) == std::numeric_limits<double>::denorm_min());
}

TEST_CASE("metrics: truncate starts anew, append goes on behind the last whole line") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("metrics.jsonl");
  test::write_text(path, "{\"event\":\"a\"}\n{\"event\":\"b\"}\n{\"eve");
  CHECK(*last_metrics(path) == MetricRecord{{"event", "b"}});
  MetricsWriter(path, MetricsWriter::Mode::Append).write("c", {});
  CHECK(test::read_text(path) == "{\"event\":\"a\"}\n{\"event\":\"b\"}\n{\"event\":\"c\"}\n");
  MetricsWriter(path).write("d", {});
  CHECK(test::read_text(path) == "{\"event\":\"d\"}\n");
}

TEST_CASE("metrics: the last line of long files and long lines") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("metrics.jsonl");
  const std::string text(200000, 'x');
  MetricsWriter writer(path);
  writer.write("a", {{"text", text}});
  writer.write("b", {{"text", text}, {"n", 1}});
  CHECK(metric_number(*last_metrics(path), "n") == 1);
}

TEST_CASE("metrics: what cannot be read or written") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("none/metrics.jsonl");
  CHECK(error_of([&] { MetricsWriter writer(path); }) == path + ": cannot open: No such file or directory");
  CHECK(error_of([&] { last_metrics(path); }) == path + ": cannot open: No such file or directory");
  CHECK(error_of([] { MetricsWriter("/dev/full").write("a", {}); }) ==
        "/dev/full: cannot write: No space left on device");
  for (const std::string text : {"junk\n", "[1]\n", "{\"a\": {}}\n", "\n", "{\"a\": null}\n", "{\n"}) {
    test::write_text(directory.file("x"), text);
    CHECK_THAT(error_of([&] { last_metrics(directory.file("x")); }), StartsWith(directory.file("x") + ": last line: "));
  }
}

TEST_CASE("metrics: a file that is not in its place any more") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("metrics.jsonl");
  const auto write_after = [&](const auto& change) {
    MetricsWriter writer(path);
    change();
    return error_of([&] { writer.write("step", {}); });
  };
  const std::string message =
      path + ": is not there any more: need the run directory in its place until the run has ended";
  CHECK(write_after([] {}) == "no error");
  CHECK(write_after([&] { std::filesystem::remove(path); }) == message);
  CHECK(write_after([&] { std::filesystem::rename(path, directory.file("other.jsonl")); }) == message);
  CHECK(write_after([&] {
          std::filesystem::remove(path);
          MetricsWriter another(path);
        }) == message);
}

TEST_CASE("metrics: text that is no UTF-8 is written with replacements") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("metrics.jsonl");
  MetricsWriter(path).write("a", {{"path",
                                   "\xff"
                                   "x"}});
  CHECK(*last_metrics(path) == MetricRecord{{"event", "a"}, {"path", "\xef\xbf\xbdx"}});
}

TEST_CASE("metrics: an object of fields") {
  CHECK(to_json({}) == "{}\n");
  CHECK(to_json({{"ranks", 2}, {"host", "n1"}, {"x", NAN}}) ==
        "{\n  \"ranks\": 2,\n  \"host\": \"n1\",\n  \"x\": \"NaN\"\n}\n");
}
