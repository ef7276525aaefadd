#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/sweep/axis.h>
#include <backflow/train/sweep/halving.h>
#include <backflow/train/sweep/job_pool.h>
#include <backflow/train/sweep/plan.h>
#include <backflow/train/sweep/summary.h>

namespace backflow::train {
namespace {

using Strings = std::vector<std::string>;

Strings values_of(const std::string& text) { return read_axis(text).values; }

TEST_CASE("sweep: commas separate values where no bracket or quote holds them together") {
  CHECK(values_of("a=1,2, 3") == Strings{"1", "2", "3"});
  CHECK(values_of("a=[1, 2],[3]") == Strings{"[1, 2]", "[3]"});
  CHECK(values_of("a={x=1,y=2},unset") == Strings{"{x=1,y=2}", "unset"});
  CHECK(values_of(R"(a="x,y",'z,"',"q\",r")") == Strings{R"("x,y")", R"('z,"')", R"("q\",r")"});
  CHECK(values_of("a=''") == Strings{"''"});
  CHECK(values_of("a=../x,..") == Strings{"../x", ".."});
}

TEST_CASE("sweep: ranges and functions give numbers") {
  CHECK(values_of("a=1..3") == Strings{"1", "2", "3"});
  CHECK(values_of("a=-2..4..3,9") == Strings{"-2", "1", "4", "9"});
  CHECK(values_of("a=log(1e-4..1e-1, 4)") == Strings{"0.0001", "0.001", "0.01", "0.1"});
  CHECK(values_of("a=linear(0..1, 3)") == Strings{"0", "0.5", "1"});
  const Axis drawn = read_axis("a=log(1e-4..1)");
  CHECK(drawn.is_drawn());
  CHECK(drawn.at(0) == "0.0001");
  CHECK(drawn.at(0.5) == "0.01");
  CHECK(read_axis("a=uniform(2..4)").at(0.25) == "2.5");
}

TEST_CASE("sweep: what is no list of values is refused") {
  for (const char* text : {"a",
                           "a=",
                           "=1",
                           "a=1,,2",
                           "a=1,",
                           "a=[1",
                           "a=(",
                           "a='x",
                           "a=1,1",
                           "a=3..1",
                           "a=1..5..0",
                           "a=1..1000000",
                           "a=log(0..1)",
                           "a=log(1..nan)",
                           "a=log(2..1)",
                           "a=log(1..2, 1)",
                           "a=log(1..2, 2, 3)",
                           "a=uniform(1)",
                           "a=log(1..2),3",
                           "a=1..99999999999999999..1"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(read_axis(text), io::ConfigError);
  }
}

TEST_CASE("sweep: a grid has all combinations, with names that tell them apart") {
  const std::vector<PlannedRun> runs =
      plan_grid({read_axis("optimizer.lr=0.1,0.01"), read_axis("seed=1..3"), read_axis("train.epochs=4")});
  REQUIRE(runs.size() == 6);
  CHECK(runs[1].overrides == Strings{"optimizer.lr=0.1", "seed=2", "train.epochs=4"});
  CHECK(runs[1].name.starts_with("lr=0.1_seed=2-"));
  std::set<std::string> names;
  for (const PlannedRun& run : runs) {
    names.insert(run.name);
  }
  CHECK(names.size() == 6);
}

TEST_CASE("sweep: names of directories are safe and never collide") {
  const std::vector<PlannedRun> runs = plan_grid(
      {read_axis("name=../../x,'..-..-x',\"a b\",'a-b'," + std::string(500, 'l') + "," + std::string(501, 'l'))});
  std::set<std::string> names;
  for (const PlannedRun& run : runs) {
    CAPTURE(run.name);
    CHECK(run.name.find('/') == std::string::npos);
    CHECK(run.name.size() < 120);
    CHECK(run.name.front() != '.');
    names.insert(run.name);
  }
  CHECK(names.size() == runs.size());
  CHECK(plan_grid({read_axis("a.lr=1,2"), read_axis("b.lr=1,2")})[1].name.starts_with("a.lr=1_b.lr=2-"));
}

TEST_CASE("sweep: halving keeps the best, without runs that have no value") {
  const double none = std::numeric_limits<double>::quiet_NaN();
  CHECK(halving_rungs(9, 3, 1) == std::vector<std::int64_t>{1, 3, 9});
  CHECK(halving_rungs(10, 3, 2) == std::vector<std::int64_t>{3, 10});
  CHECK(halving_rungs(1, 3, 1) == std::vector<std::int64_t>{1});
  CHECK(halving_rungs(5, 2, 7) == std::vector<std::int64_t>{5});
  CHECK(survivors({3, 1, 2, 5}, 2, true) == std::vector<std::size_t>{1, 2});
  CHECK(survivors({3, 1, 2, 5}, 2, false) == std::vector<std::size_t>{0, 3});
  CHECK(survivors({1, 1, 1}, 3, true) == std::vector<std::size_t>{0});
  CHECK(survivors({none, none, 4, none}, 2, true) == std::vector<std::size_t>{2});
  CHECK(survivors({none}, 2, true).empty());
}

TEST_CASE("sweep: runs at once get whole cores of their own") {
  const Topology machine = Topology::synthetic("numa:2 core:3 pu:2");
  std::vector<int> all(12);
  for (int i = 0; i < 12; ++i) {
    all[static_cast<std::size_t>(i)] = i;
  }
  CHECK(count_cores(machine, all) == 6);
  std::set<int> used;
  const auto shares = share_cores(machine, all, 4);
  REQUIRE(shares.size() == 4);
  for (const std::vector<int>& share : shares) {
    CHECK(share.size() == 2);  // the two CPUs of a core
    CHECK(count_cores(machine, share) == 1);
    used.insert(share.begin(), share.end());
  }
  CHECK(used.size() == 8);
  CHECK(share_cores(machine, all, 7).empty());
  CHECK(share_cores(machine, {2, 3}, 1) == std::vector<std::vector<int>>{{2, 3}});
}

TEST_CASE("sweep: the summary is CSV as RFC 4180 has it, the best run first") {
  SweepResults results;
  results.axes = {read_axis("name=\"a,b\",c")};
  results.runs = plan_grid(results.axes);
  results.metric = "loss";
  results.lower_is_better = true;
  results.outcomes.resize(2);
  for (std::size_t i = 0; i < 2; ++i) {
    results.outcomes[i].state = RunStatus::Finished;
    const std::string loss = i == 0 ? "2" : "1";
    REQUIRE(
        results.outcomes[i].record.take(R"({"event":"eval","split":"test","step":5,"epoch":1,"loss":)" + loss + "}"));
  }
  results.outcomes[1].error = "two\nlines";
  CHECK(results.order() == std::vector<std::size_t>{1, 0});
  const std::string csv = summary_csv(results, "s");
  CHECK(csv.starts_with("run,status,name,steps,epochs,seconds,test_loss,error,directory\n" + results.runs[1].name +
                        ",finished,c,0,0,,1,\"two\nlines\",s/runs/" + results.runs[1].name + "\n"));
  CHECK(csv.find(R"(,"""a,b""",)") != std::string::npos);
}

}  // namespace
}  // namespace backflow::train
