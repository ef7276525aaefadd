// Variables of the environment in strings.
#include <cstdlib>

#include <backflow/io/config.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;

namespace {

/// A variable that is set, or unset, until the end of a scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

std::string value(const std::string& toml, const std::vector<std::string>& overrides = {}) {
  const Config config = Config::parse("x = " + toml + "\n", "x.toml", overrides);
  const std::string x = config.root().string("x");
  config.check();
  return x;
}

}  // namespace

TEST_CASE("config environment: variables in strings") {
  const Variable set("BACKFLOW_TEST_A", "one");
  const Variable empty("BACKFLOW_TEST_E", "");
  const Variable unset("BACKFLOW_TEST_U", nullptr);
  CHECK(value("'${BACKFLOW_TEST_A}'") == "one");
  CHECK(value("'/data/${BACKFLOW_TEST_A}/${BACKFLOW_TEST_A}.h5'") == "/data/one/one.h5");
  CHECK(value("'[${BACKFLOW_TEST_E}]'") == "[]");
  CHECK(value("'${BACKFLOW_TEST_U:-/tmp/x}'") == "/tmp/x");
  CHECK(value("'${BACKFLOW_TEST_E:-other}${BACKFLOW_TEST_A:-other}${BACKFLOW_TEST_U:-}'") == "otherone");
  CHECK(value("'$${BACKFLOW_TEST_A} $$ $x $'") == "${BACKFLOW_TEST_A} $$ $x $");
  CHECK(value("'y'", {"x=${BACKFLOW_TEST_A}"}) == "one");
  // A value is not looked through again.
  const Variable nested("BACKFLOW_TEST_N", "${BACKFLOW_TEST_A}");
  CHECK(value("'${BACKFLOW_TEST_N}'") == "${BACKFLOW_TEST_A}");
}

TEST_CASE("config environment: in arrays and tables, and never in keys") {
  const Variable set("BACKFLOW_TEST_A", "one");
  const Config config =
      Config::parse("[t]\nx = ['${BACKFLOW_TEST_A}', 'b']\n[[t.y]]\n'${BACKFLOW_TEST_A}' = 1\n", "x.toml");
  CHECK(config.section("t").strings("x") == std::vector<std::string>{"one", "b"});
  CHECK(config.section("t").sections("y").at(0).integer("${BACKFLOW_TEST_A}") == 1);
  CHECK_NOTHROW(config.check());
}

TEST_CASE("config environment: what is wrong has its place") {
  const Variable unset("BACKFLOW_TEST_U", nullptr);
  const auto message = [](const std::string& text, const std::vector<std::string>& overrides = {}) {
    return error_of([&] { value(text, overrides); });
  };
  CHECK(
      message("'a${BACKFLOW_TEST_U}'") ==
      "x.toml:1:5: the variable 'BACKFLOW_TEST_U' is not set: need it in the environment, or ${BACKFLOW_TEST_U:-text}");
  CHECK(message("'${BACKFLOW_TEST_U'") == "x.toml:1:5: '${' without '}': need ${NAME}; '$${' is a literal '${'");
  for (const char* name : {"", "1a", "a b", "a-b", ":-x"}) {
    CAPTURE(name);
    CHECK_THAT(message(to_text("'${", name, "}'")),
               StartsWith("x.toml:1:5: '${") && ContainsSubstring(" names no variable"));
  }
  CHECK_THAT(message("'a'", {"x=${BACKFLOW_TEST_U}"}), StartsWith("--set x=${BACKFLOW_TEST_U}: the variable "));
  // What an override replaces need not be set.
  CHECK(value("'${BACKFLOW_TEST_U}'", {"x=a"}) == "a");
}

TEST_CASE("config environment: a resolved configuration names no variable") {
  const Variable set("BACKFLOW_TEST_A", "one");
  const Config config = Config::parse("x = 'a $${b} ${BACKFLOW_TEST_A} $$${c}'\n", "x.toml");
  CHECK(config.root().string("x") == "a ${b} one $${c}");
  CHECK(config.resolved() == "x = \"a $${b} one $$${c}\"\n");
  const Config again = Config::parse(config.resolved(), "y.toml");
  CHECK(again.root().string("x") == "a ${b} one $${c}");
  CHECK(again.resolved() == config.resolved());
}
