// Overrides of a configuration's keys: what they change, and what is said about wrong ones.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;

namespace {

using Overrides = std::vector<std::string>;

// The error of reading `text` with `read` and then checking that all was read.
std::string message(const std::string& text, const std::function<void(const Config&)>& read,
                    const Overrides& overrides) {
  return error_of([&] {
    const Config config = Config::parse(text, "x.toml", overrides);
    read(config);
    config.check();
  });
}

}  // namespace

TEST_CASE("config: an override takes a key, a table or an element out, and quotes keep the word") {
  const std::string text = "a = 1\nb = [10, 20, 30]\n[t]\nx = 1\ny = 2\n[[l]]\nn = 0\n[[l]]\nn = 1\n[[l]]\nn = 2\n";
  const auto after = [&](const Overrides& overrides) { return Config::parse(text, "x.toml", overrides); };
  CHECK(after({"a=unset"}).root().keys() == std::vector<std::string>{"b", "t", "l"});
  CHECK(after({"t=unset"}).root().keys() == std::vector<std::string>{"a", "b", "l"});
  CHECK(after({"t.x=unset"}).section("t").keys() == std::vector<std::string>{"y"});
  CHECK(after({"b.1=unset"}).root().integers("b") == std::vector<std::int64_t>{10, 30});
  CHECK(after({"b.1=7"}).root().integers("b") == std::vector<std::int64_t>{10, 7, 30});
  CHECK(after({"b.0=unset", "b.0=unset", "b.0=unset"}).root().integers("b").empty());
  CHECK(after({"l=unset"}).root().sections("l").empty());
  CHECK(after({"l.0={n = 9}"}).root().sections("l")[0].integer("n") == 9);
  const Config shorter = after({"l.0=unset"});
  const std::vector<Section> left = shorter.root().sections("l");
  REQUIRE(left.size() == 2);
  CHECK(left[0].integer("n") == 1);
  CHECK(left[1].path() == "l.1");  // its number is the one that it has now
  CHECK(left[1].where("n") == "x.toml:11:5");
  // In their order, on what overrides have made too.
  CHECK(after({"t.z=3", "t.z=unset"}).section("t").keys() == std::vector<std::string>{"x", "y"});
  CHECK(after({"a=unset", "a=2"}).root().integer("a") == 2);
  for (const char* quoted : {"a=\"unset\"", "a='unset'"}) CHECK(after({quoted}).root().string("a") == "unset");
  CHECK(after({"a=unset "}).root().string("a") == "unset ");
}

TEST_CASE("config errors: what is unset has to be there") {
  const auto read = [](const Config& config) {
    config.section("t").integer("momentum");
    config.root().sections("l");
  };
  const std::string text = "[t]\nmomentum = 1\n[[l]]\n";
  CHECK(
      message(text, read, {"t.momentun=unset"}) ==
      "--set t.momentun=unset: no key 'momentun' in [t]: need one that is there to unset it; did you mean 'momentum'?");
  CHECK(message(text, read, {"u.x=unset"}) ==
        "--set u.x=unset: no key 'u' in the top level: need one that is there to unset it");
  CHECK(message(text, read, {"l.1=unset"}) == "--set l.1=unset: no element '1': need a number from 0 to 0");
  CHECK(message(text, read, {"l.0=unset", "l.0=unset"}) ==
        "--set l.0=unset: no element '0': the array is empty: need a key");
  CHECK(message(text, read, {"l.0.n=unset"}) ==
        "--set l.0.n=unset: no key 'n' in [l.0]: need one that is there to unset it");
  CHECK(message(text, read, {"t.momentum.x=unset"}) ==
        "--set t.momentum.x=unset: 'momentum' in [t] is not a table (x.toml:2:12): need a table to set a key of it");
}

TEST_CASE("config errors: overrides that look like numbers and truth values but are not TOML") {
  const auto number = [](const std::string& value) {
    return message("", [](const Config& c) { c.root().number("x", {.below = 5}); }, {"x=" + value});
  };
  for (const auto& [value, spelling] : std::vector<std::pair<std::string, std::string>>{{".5", "0.5"},
                                                                                        {"5.", "5.0"},
                                                                                        {"+.5", "0.5"},
                                                                                        {"-.5", "-0.5"},
                                                                                        {"1.e3", "1000.0"},
                                                                                        {"007", "7"},
                                                                                        {"-00", "-0"},
                                                                                        {"1,000", "1000"},
                                                                                        {"1__0", "10"},
                                                                                        {"Inf", "inf"},
                                                                                        {"-NaN", "-nan"}}) {
    CHECK(number(value) == "--set x=" + value + ": 'x' in the top level is " + value +
                               ": need a number below 5; TOML writes " + spelling);
  }
  for (const std::string value : {"5f", "0x", "--5", "+-5", "1e", "e5", ".", "yes", "-", "1 000"}) {
    CHECK(number(value) == "--set x=" + value + ": 'x' in the top level is a string: need a number below 5");
  }
  const auto integer = [](const std::string& value) {
    return message("", [](const Config& c) { c.root().integer("x"); }, {"x=" + value});
  };
  CHECK(integer("010") == "--set x=010: 'x' in the top level is 010: need an integer; TOML writes 10");
  CHECK(integer(".5") == "--set x=.5: 'x' in the top level is a string: need an integer");
  CHECK(integer("99999999999999999999") ==
        "--set x=99999999999999999999: 'x' in the top level is 99999999999999999999: need an integer");
  const auto boolean = [](const std::string& value) {
    return message("", [](const Config& c) { c.root().boolean("x"); }, {"x=" + value});
  };
  for (const std::string value : {"True", "TRUE", "yes", "on"}) {
    CHECK(boolean(value) ==
          "--set x=" + value + ": 'x' in the top level is " + value + ": need true or false; TOML writes true");
  }
  CHECK(boolean("No") == "--set x=No: 'x' in the top level is No: need true or false; TOML writes false");
  CHECK(boolean("nope") == "--set x=nope: 'x' in the top level is a string: need true or false");
  // In quotes a string is meant, and in a file there are no bare words.
  CHECK(number("'.5'") == "--set x='.5': 'x' in the top level is a string: need a number below 5");
  const auto string = [](const std::string& value) {
    return message("", [](const Config& c) { c.root().string("x"); }, {"x=" + value});
  };
  CHECK(string("5") == "--set x=5: 'x' in the top level is an integer: need a string; the string is --set x='\"5\"'");
  CHECK(string("true") ==
        "--set x=true: 'x' in the top level is a boolean: need a string; the string is --set x='\"true\"'");
  CHECK(string("[5]") == "--set x=[5]: 'x' in the top level is an array: need a string");
}
