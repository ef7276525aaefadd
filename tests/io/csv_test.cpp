#include <backflow/io/datasets/csv.h>

#include <string>
#include <vector>

#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using io::CsvTable;
using test::error_of;

namespace {

struct CsvFile {
  test::TemporaryDirectory directory;
  std::string path = directory.file("t.csv");

  CsvTable read(const std::string& text, const io::CsvOptions& options = {}) const {
    test::write_text(path, text);
    return io::read_csv(path, options);
  }
  // The error behind the path.
  std::string error(const std::string& text, const io::CsvOptions& options = {}) const {
    const std::string message = error_of([&] { read(text, options); });
    REQUIRE_THAT(message, StartsWith(path + ":"));
    return message.substr(path.size() + 1);
  }
};

}  // namespace

TEST_CASE("csv: columns of numbers and of words") {
  const CsvFile file;
  const CsvTable table = file.read("a, b ,color\n1,-2.5e1,red\n+3,.5,blue\r\n\n4,0,red");
  REQUIRE(table.columns.size() == 3);
  CHECK(table.records() == 3);
  CHECK(table.lines == std::vector<std::int64_t>{2, 3, 5});
  CHECK(table.columns[0].numbers == std::vector<double>{1, 3, 4});
  CHECK(table.columns[1].name == "b");
  CHECK(table.columns[1].numbers == std::vector<double>{-25, 0.5, 0});
  CHECK_FALSE(table.columns[2].is_numeric);
  CHECK(table.columns[2].dictionary == std::vector<std::string>{"red", "blue"});
  CHECK(table.columns[2].words == std::vector<std::uint32_t>{0, 1, 0});
  CHECK(table.find("color") == 2);
  CHECK(table.find("colour") == -1);
}

TEST_CASE("csv: quotes hold separators, line ends and quotes, and keep spaces") {
  const CsvFile file;
  const CsvTable table = file.read("\"the, name\",x\n\"a \"\"b\"\"\nc, d \" ,1\n\" e\",2\n");
  CHECK(table.columns[0].name == "the, name");
  CHECK(table.columns[0].dictionary == std::vector<std::string>{"a \"b\"\nc, d ", " e"});
  CHECK(table.lines == std::vector<std::int64_t>{2, 4});
}

TEST_CASE("csv: missing values, separators, a byte order mark and files without a header") {
  const CsvFile file;
  const CsvTable table = file.read(
      "\xef\xbb\xbf"
      "1;NA\n;2\n3;\"NA\"\n",
      {.separator = ';', .header = false, .missing = {"", "NA"}});
  CHECK(table.columns[0].name == "1");
  CHECK(table.columns[0].numbers == std::vector<double>{1, 0, 3});
  CHECK(table.columns[0].missing == std::vector<std::int64_t>{1});
  CHECK_FALSE(table.columns[1].is_numeric);  // of a cell in quotes, which is a word
  CHECK(table.columns[1].missing == std::vector<std::int64_t>{0});
  CHECK(table.columns[1].first_word_line == 3);
  CHECK(table.columns[1].first_word == "NA");
  const CsvTable tabs = file.read("a\tb\n1\t\n", {.separator = '\t'});
  CHECK(tabs.columns[1].missing == std::vector<std::int64_t>{0});
}

TEST_CASE("csv: numbers keep all of their bits, and what is none is a word") {
  const CsvFile file;
  const CsvTable table = file.read("x,y\n0.1,inf\n1e-320,1\n9007199254740993,2\n");
  CHECK(table.columns[0].numbers == std::vector<double>{0.1, 1e-320, 9007199254740992.0});
  CHECK(table.columns[1].first_word == "inf");
  for (const char* word : {"1e999", "0x10", "1,5", "--1", "1 2", "nan", "+-1", "1."}) {
    const bool numeric = std::string(word) == "1.";
    CHECK(
        file.read(std::string("x\n") + (std::string(word) == "1,5" ? "\"1,5\"" : word) + "\n").columns[0].is_numeric ==
        numeric);
  }
}

TEST_CASE("csv: broken records are errors with their line") {
  const CsvFile file;
  CHECK(file.error("a,b\n1,2\n3\n") == "3: 1 cell: need 2, as in the first record");
  CHECK(file.error("a,b\n1,2,3\n") == "2: 3 cells: need 2, as in the first record");
  CHECK(file.error("a,b\n1,\"2\n3,4\n") == "2: the quote that opens cell 2 is not closed: need another quote");
  CHECK(file.error("a,b\n1,2\"x\n") ==
        "2: a quote inside of cell 2: need the whole cell in quotes, and quotes in it doubled");
  CHECK(file.error("a,b\n\"1\"x,2\n") == "2: text behind the closing quote of cell 1: need a separator there");
  CHECK(file.error(std::string("a,b\n1,\0\n", 8)) == "2: cell 2 holds a NUL byte: need text");
  CHECK(file.error("a,a\n1,2\n") == "1: two columns are called 'a': need different names");
  CHECK(file.error("a,\n1,2\n") == "1: column 2 has no name: need one in the header");
  CHECK(file.error("") == " no records: need at least one");
  CHECK_THAT(file.error("a\n1\n2\n3\n", {.most_bytes = 40}), StartsWith(" 3 records of 1 columns need 48 bytes"));
  CHECK_THAT(file.error("a\n\"" + std::string((1 << 20) + 1, 'x')), StartsWith("2: cell 1 has more than"));
  CHECK_THAT(error_of([&] { io::read_csv(file.directory.file("none"), {}); }), ContainsSubstring("cannot open"));
}

TEST_CASE("csv: words that fill the memory are an error") {
  const CsvFile file;
  std::string text = "w\n";
  for (int i = 0; i < 100; ++i) {
    text += "word" + std::to_string(i) + "\n";
  }
  CHECK_THAT(file.error(text, {.most_bytes = 4000}), StartsWith(" the distinct words need more than 4000 bytes"));
}

TEST_CASE("csv: of some columns the cells are kept, all are checked") {
  const CsvFile file;
  const io::CsvOptions options{.text_columns = {"c"}, .kept_columns = std::vector<std::string>{"b"}};
  const CsvTable table = file.read("a,b,c\n1,2,x\n,4,y\n", options);
  CHECK(table.records() == 2);
  CHECK(table.columns[0].numbers.empty());
  CHECK(table.columns[0].missing == std::vector<std::int64_t>{1});
  CHECK(table.columns[1].numbers == std::vector<double>{2, 4});
  CHECK(table.columns[2].words.empty());
  CHECK(table.columns[2].dictionary == std::vector<std::string>{"x", "y"});
  CHECK_FALSE(file.read("a,b\nz,2\n", options).columns[0].is_numeric);
  CHECK_THAT(file.error("a,b\n1,2\n3\n", options), StartsWith("3: 1 cell"));
}
