#include <cmath>
#include <fstream>
#include <string>

#include <backflow/runtime/base/error.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/train/support.h>
#include <backflow/train/report/line_reader.h>
#include <backflow/train/report/page.h>
#include <backflow/train/report/run_record.h>
#include <backflow/train/report/run_texts.h>
#include <backflow/train/report/step_timeline.h>

namespace backflow::train {
namespace {

void append(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::app) << text;
}

TEST_CASE("report: a curve is exact while it is short and bounded when it is long") {
  Series series;
  for (int step = 1; step <= 1000; ++step) {
    series.add(step, step);
  }
  CHECK(series.points(1000).size() == 1000);
  CHECK(series.points(100).size() == 100);
  CHECK(series.points(100).front().mean == 5.5);
  CHECK(series.points(100).front().step == 10);
  for (int step = 1001; step <= 1'000'000; ++step) {
    series.add(step, step);
  }
  const auto points = series.points(1000);
  CHECK(points.size() <= 1000);
  CHECK(points.back().step == 1'000'000);
  std::int64_t values = 0;
  double sum = 0;
  for (const Series::Point& point : points) {
    values += point.values;
    sum += point.mean * static_cast<double>(point.values);
  }
  CHECK(values == 1'000'000);
  CHECK(std::fabs(sum / 1e6 - 500'000.5) < 1e-3);
  CHECK(series.least() == 1);
  CHECK(series.last() == 1e6);
}

TEST_CASE("report: a step that comes again takes the place of all after it") {
  Series series;
  for (int step = 1; step <= 10; ++step) {
    series.add(step, 1);
  }
  series.add(4, 2);
  const auto points = series.points(100);
  REQUIRE(points.size() == 4);
  CHECK(points.back().step == 4);
  CHECK(points.back().mean == 2);
  series.add(5, std::nan(""));
  CHECK(std::isnan(series.points(100).back().mean));
  CHECK(series.last() == 2);
  CHECK(series.not_finite() == 1);
}

TEST_CASE("report: lines are read as they are completed, and long ones are left out") {
  const test::TemporaryDirectory folder;
  const std::string path = folder.file("lines");
  append(path, "one\ntw");
  LineReader reader(path, 10);
  std::string line;
  CHECK(reader.open());
  CHECK(reader.next(line) == LineReader::Found::Line);
  CHECK(line == "one");
  CHECK(reader.next(line) == LineReader::Found::Nothing);
  CHECK(reader.has_rest());
  append(path, "o\n" + std::string(1'000'000, 'x') + "\nthree\n");
  CHECK_FALSE(reader.open());
  CHECK(reader.next(line) == LineReader::Found::Line);
  CHECK(line == "two");
  CHECK(reader.next(line) == LineReader::Found::TooLong);
  CHECK(reader.next(line) == LineReader::Found::Line);
  CHECK(line == "three");
  CHECK(reader.next(line) == LineReader::Found::Nothing);
  CHECK_FALSE(reader.has_rest());
  std::ofstream(path) << "new\n";
  CHECK(reader.open());
  CHECK(reader.next(line) == LineReader::Found::Line);
  CHECK(line == "new");
  CHECK_THROWS_AS(LineReader("/dev/null").open(), Error);
  CHECK_THROWS_AS(LineReader(folder.file("none")).open(), Error);
}

TEST_CASE("report: no file can ask for more than a bounded number of curves") {
  RunRecord record;
  for (int i = 0; i < 1000; ++i) {
    CHECK(record.take(to_text(R"({"event":"step","step":1,"m)", i, R"(":1})")));
    CHECK(record.take(to_text(R"({"event":"eval","split":"s)", i, R"(","step":1,"loss":1})")));
  }
  CHECK(std::distance(record.steps.begin(), record.steps.end()) <= 64);
  CHECK(record.evaluations.size() <= 8);
}

TEST_CASE("report: the configuration of a run is taken apart into its keys") {
  const Settings settings = settings_in("name = \"x = y\"\n[a.b]\nc = 1\n[[l]]\nt = 2\n[[l]]\nt = 3\nrubbish\n[l");
  const Settings wanted = {{"name", "\"x = y\""}, {"a.b.c", "1"}, {"l.0.t", "2"}, {"l.1.t", "3"}};
  CHECK(settings == wanted);
  const Differences found = differences({{{"a", "1"}, {"b", "2"}}, {{"a", "1"}, {"b", "3"}, {"c", "4"}}});
  CHECK(found.keys == std::vector<std::string>{"b", "c"});
  CHECK(found.values == std::vector<std::vector<std::string>>{{"2", ""}, {"3", "4"}});
}

TEST_CASE("report: the timeline is that of the last step, with slices inside others") {
  const test::TemporaryDirectory folder;
  const std::string path = folder.file("trace.json");
  const auto slice = [](const char* name, int thread, double start, double us) {
    return to_text(R"({"name":")", name, R"(","cat":"span","ph":"X","tid":)", thread, R"(,"ts":)", start, R"(,"dur":)",
                   us, R"(,"args":{}},)", "\n");
  };
  append(path, "{\"traceEvents\": [\n" + slice("step", 0, 0, 50) + slice("a", 0, 10, 5) + "{broken\n" +
                   slice("step", 0, 100, 40) + slice("b", 0, 105, 20) + slice("c", 0, 106, 3) +
                   slice("d", 1, 110, 100) + slice("e", 1, 110, 5) + "]}\n");
  const auto timeline = read_timeline(path);
  REQUIRE(timeline);
  CHECK(timeline->us == 40);
  REQUIRE(timeline->threads.size() == 2);
  REQUIRE(timeline->threads[0].slices.size() == 3);
  CHECK(timeline->threads[0].slices[2].name == "c");
  CHECK(timeline->threads[0].slices[2].depth == 2);
  CHECK(timeline->threads[0].slices[2].start_us == 6);
  REQUIRE(timeline->threads[1].slices.size() == 1);  // the other one goes on after the step
  CHECK_FALSE(read_timeline(folder.file("none")));
}

TEST_CASE("report: data never end the element of the page that holds them") {
  const std::string page = report_page(R"({"a": "</script><!--<script>&"})", PageMode::File);
  CHECK(page.find("</script><!--<script>&\"") == std::string::npos);
  CHECK(page.find(R"("\u003c/script\u003e\u003c!--\u003cscript\u003e\u0026")") != std::string::npos);
}

}  // namespace
}  // namespace backflow::train
