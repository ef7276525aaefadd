#include <backflow/exchange/rename.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;
using backflow::test::make_tensor;

TEST_CASE("rename: rules as sed's") {
  CHECK(RenameRule("s/^model\\.//").apply("model.model.w") == "model.w");
  CHECK(RenameRule("s/a/b/").apply("aaa") == "baa");
  CHECK(RenameRule("s/a/b/g").apply("aaa") == "bbb");
  CHECK(RenameRule("s|layer(\\d+)/|$1.|").apply("layer12/w") == "12.w");
  CHECK(RenameRule("s/a\\/b/c/").apply("a/b") == "c");
  for (const char* wrong : {"", "s", "s/a/b", "x/a/b/", "s/a/b/i", "s//b/", "s/(/b/"}) {
    INFO(wrong);
    CHECK(error_of([&] { RenameRule rule(wrong); }).find("--rename '") == 0);
  }
}

TEST_CASE("rename: names stay apart") {
  const Tensor x = make_tensor<float>({1}, {1});
  NamedTensors tensors{{"a.w", x}, {"b.w", x}};
  CHECK(rename_tensors(tensors, {RenameRule("s/a/c/"), RenameRule("s/c/d/")}) == 1);
  CHECK(tensors[0].first == "d.w");
  CHECK(error_of([&] { rename_tensors(tensors, {RenameRule("s/d/b/")}); }) ==
        "--rename: 'd.w' and 'b.w' both become 'b.w': need different names");
  NamedTensors one{{"a", x}};
  CHECK(error_of([&] { rename_tensors(one, {RenameRule("s/a//")}); }).find("nothing is left") != std::string::npos);
}
