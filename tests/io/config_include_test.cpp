// Files that include others: what wins, where messages point, what cannot be included.
#include <filesystem>

#include <backflow/io/config.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;
using backflow::test::write_text;

namespace {

/// A folder of configurations, and what is read of them.
struct Files {
  test::TemporaryDirectory directory;

  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(directory.file(name)).parent_path());
    write_text(directory.file(name), text);
    return directory.file(name);
  }

  /// The configuration as it was read, or the messages with names relative to the folder.
  std::string read(const std::string& name, const std::vector<std::string>& overrides = {}) const {
    std::string result;
    try {
      const Config config = Config::load(directory.file(name), overrides);
      config.root().string("name", "");
      const Section train = config.section("train");
      train.integer("epochs", {}, 0);
      train.integer("batch_size", {.at_least = 1}, 1);
      config.section("model").integers("hidden", {}, std::vector<std::int64_t>{});
      for (const Section& layer : config.section("model").sections("layers")) layer.integer("units");
      config.check();
      result = config.resolved();
    } catch (const ConfigError& error) {
      result = error.what();
    }
    const std::string folder = directory.path() + "/";
    for (std::size_t at = result.find(folder); at != std::string::npos; at = result.find(folder)) {
      result.erase(at, folder.size());
    }
    return result;
  }
};

}  // namespace

TEST_CASE("config include: the file itself wins over what it includes, later files over earlier ones") {
  const Files files;
  files.write("base.toml", "name = 'base'\n[train]\nepochs = 1\nbatch_size = 2\n[model]\nhidden = [1, 2, 3]\n");
  files.write("more.toml", "[train]\nepochs = 5\n[model]\nlayers = [{units = 1}, {units = 2}]\n");
  files.write("x.toml", "include = ['base.toml', 'more.toml']\n[train]\nbatch_size = 7\n[model]\nhidden = [4]\n");
  CHECK(files.read("x.toml") ==
        "name = \"base\"\n\n[train]\nepochs = 5\nbatch_size = 7\n\n[model]\nhidden = [4]\n\n[[model.layers]]\nunits = "
        "1\n\n"
        "[[model.layers]]\nunits = 2\n");
  // Arrays of tables are replaced as others are; overrides come last.
  files.write("y.toml", "include = 'x.toml'\n[[model.layers]]\nunits = 9\n");
  CHECK_THAT(files.read("y.toml", {"name=y", "train.epochs=unset"}),
             StartsWith("name = \"y\"\n\n[train]\nepochs = 0\nbatch_size = 7\n") &&
                 EndsWith("hidden = [4]\n\n[[model.layers]]\nunits = 9\n"));
  // The resolved configuration stands alone.
  files.write("z.toml", files.read("y.toml"));
  CHECK(files.read("z.toml") == files.read("y.toml"));
}

TEST_CASE("config include: names are relative to the file that has them, and places are those of each file") {
  const Files files;
  files.write("base/deep.toml", "[train]\nepochs = 'many'\n");
  files.write("base/base.toml", "include = 'deep.toml'\n\n[train]\nbatch_siz = 3\n");
  files.write("x.toml", "include = 'base/base.toml'\nname = 3\n");
  CHECK(files.read("x.toml", {"train.batch_size=0"}) ==
        "x.toml:2:8: 'name' in the top level is an integer: need a string\n"
        "base/base.toml:4:1: unknown key 'batch_siz' in [train]; did you mean 'batch_size'?\n"
        "base/deep.toml:2:10: 'epochs' in [train] is a string: need an integer\n"
        "--set train.batch_size=0: 'batch_size' in [train] is 0: need an integer of at least 1");
  files.write("y.toml", "include = '" + files.directory.file("base/deep.toml") + "'\n[train]\nepochs = 3\n");
  CHECK_THAT(files.read("y.toml"), ContainsSubstring("epochs = 3"));
}

TEST_CASE("config include: files that include themselves are errors with the chain") {
  const Files files;
  files.write("a.toml", "name = 'a'\ninclude = 'b.toml'\n");
  files.write("b.toml", "include = ['c.toml']\n");
  files.write("c.toml", "include = ['./a.toml']\n");
  CHECK(files.read("a.toml") ==
        "c.toml:1:12: 'include' in the top level: a.toml includes itself (a.toml -> b.toml -> c.toml -> a.toml): need "
        "files that form no cycle");
  files.write("self.toml", "include = 'self.toml'\n");
  CHECK(files.read("self.toml") ==
        "self.toml:1:11: 'include' in the top level: self.toml includes itself (self.toml -> self.toml): need files "
        "that form no cycle");
  // A file may be included twice.
  files.write("d.toml", "name = 'd'\n");
  files.write("e.toml", "include = 'd.toml'\n");
  files.write("f.toml", "include = ['d.toml', 'e.toml', 'd.toml']\n");
  CHECK_THAT(files.read("f.toml"), StartsWith("name = \"d\"\n"));
}

TEST_CASE("config include: all files that cannot be included are named") {
  const Files files;
  files.write("broken.toml", "\na = = 1\n");
  files.write("x.toml", "include = ['none.toml', 'broken.toml', '.', 3]\n[train]\nepochs = 'a'\n");
  const std::string error = files.read("x.toml");
  CHECK_THAT(error, StartsWith("x.toml:1:45: 'include' in the top level: need the name of a file"));
  files.write("x.toml", "include = ['none.toml', 'broken.toml', '.']\n");
  CHECK_THAT(files.read("x.toml"),
             StartsWith("none.toml: cannot read: No such file or directory: need a TOML file; included at x.toml:1:12\n"
                        "broken.toml:2:5: not TOML: ") &&
                 ContainsSubstring("; included at x.toml:1:25\n") && EndsWith(" included at x.toml:1:40"));
  files.write("x.toml", "[train]\ninclude = 'none.toml'\n");
  CHECK_THAT(files.read("x.toml"), StartsWith("x.toml:2:1: unknown key 'include' in [train]"));
  CHECK(error_of([] { Config::parse("include = 'a.toml'\n", "x.toml"); }) ==
        "x.toml:1:1: 'include' in the top level: only files can include: need it left out");
  files.write("x.toml", "");
  CHECK(files.read("x.toml", {"include=a.toml"}) ==
        "--set include=a.toml: files can only be included by a file: need keys that belong to them");
}

TEST_CASE("config include: files that double with every level end") {
  const Files files;
  for (int i = 0; i < 30; ++i) {
    const std::string next = to_text("'", i + 1, ".toml'");
    files.write(to_text(i, ".toml"), "include = [" + next + ", " + next + "]\n");
  }
  files.write("30.toml", "");
  CHECK_THAT(files.read("0.toml"), ContainsSubstring("more than 1000 files: need at most so many"));
}
