// Every registered operator has samples, every sample an operator, and what is generated from the registry agrees with
// it.
#include <backflow/ops/registry.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/samples.h>

using namespace backflow;
using namespace backflow::test;

namespace {

std::vector<OperatorInfo> operators() {
  std::vector<OperatorInfo> all;
  for (const OperatorFamily& family : operator_registry()) {
    all.insert(all.end(), family.operators.begin(), family.operators.end());
  }
  return all;
}

/// Names and how often each is declared in a generated header, by a pattern with the name as its first group.
std::map<std::string, int> declared(const std::string& header, const char* pattern) {
  std::ifstream in(std::string(BACKFLOW_GENERATED_DIR) + "/backflow/" + header);
  REQUIRE(in);
  std::map<std::string, int> found;
  std::smatch match;
  for (std::string line; std::getline(in, line);) {
    if (std::regex_search(line, match, std::regex(pattern))) {
      ++found[match[1]];
    }
  }
  return found;
}

}  // namespace

TEST_CASE("registry: not empty, and well formed") {
  REQUIRE(operators().size() > 40);
  std::set<std::string> signatures;
  for (const OperatorInfo& op : operators()) {
    CAPTURE(op.signature);
    CHECK(std::string(op.formula).find("y") != std::string::npos);
    CHECK(std::string(op.doc).back() == '.');
    CHECK(!op.dtypes.empty());
    CHECK(signatures.insert(op.signature).second);
    if (op.inplace != nullptr) {
      CHECK(function_name(op.inplace).back() == '_');
      CHECK(std::string(op.inplace).find("(Tensor self") != std::string::npos);
    }
  }
}

TEST_CASE("registry: every operator has samples, every sample an operator") {
  if (std::getenv("BACKFLOW_SAMPLE") != nullptr) {
    return;  // the table is not complete then
  }
  std::map<std::string, int> rows;
  std::map<std::string, int> inplace_rows;
  std::set<std::string> titles;
  for (const Sample& s : samples()) {
    ++rows[s.op];
    inplace_rows[s.op] += static_cast<bool>(s.inplace);
    INFO("two samples are called " << s.title());
    CHECK(titles.insert(s.title()).second);
    INFO("scripts/compare_torch.py needs the `torch` of " << s.title() << ", the same call in Python");
    CHECK(!s.torch.empty());
  }
  std::map<std::string, int> overloads;
  std::map<std::string, int> inplace_overloads;
  for (const OperatorInfo& op : operators()) {
    ++overloads[std::string(op.name)];
    inplace_overloads[std::string(op.name)] += op.inplace != nullptr;
  }
  for (const auto& [op, count] : overloads) {
    INFO("operator '" << op << "' has no row in tests/samples/*.cpp, or fewer than overloads or in-place forms");
    CHECK(rows[op] >= count);
    CHECK(inplace_rows[op] >= inplace_overloads[op]);
  }
  for (const auto& [op, count] : rows) {
    INFO("the " << count << " samples of '" << op << "' name no registered operator");
    CHECK(overloads.contains(op));
  }
}

TEST_CASE("registry: the generated functions and methods are its own") {
  std::map<std::string, int> functions;
  std::map<std::string, int> methods;
  std::map<std::string, int> inplace;
  for (const OperatorInfo& op : operators()) {
    ++functions[std::string(op.name)];
    if (std::string(op.signature).find("Tensor self") != std::string::npos) {
      ++methods[std::string(op.name)];
    }
    if (op.inplace != nullptr) {
      ++inplace[std::string(function_name(op.inplace))];
    }
  }
  CHECK(declared("ops/functions.h", R"(^[\w:<>, ]*Tensor>? (\w+)\()") == functions);
  CHECK(declared("runtime/tensor/tensor_methods.inc", R"(^[\w:<>, ]*Tensor>? (\w+)\()") == methods);
  CHECK(declared("runtime/tensor/tensor_methods.inc", R"(^Tensor& (\w+)\()") == inplace);
}
