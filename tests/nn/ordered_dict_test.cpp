// Names in the order in which they were inserted, and what a dictionary without them refuses.
#include <backflow/nn/ordered_dict.h>

#include <string>
#include <vector>

#include <backflow/tests/catch2.h>

using backflow::Error;
using Dict = backflow::OrderedDict<std::string, int>;

TEST_CASE("OrderedDict: an empty one has no ends", "[nn]") {
  Dict d;
  const Dict& constant = d;
  CHECK_THROWS_WITH(d.front(), Equals("front: an OrderedDict without pairs: need one that has some"));
  CHECK_THROWS_WITH(d.back(), Equals("back: an OrderedDict without pairs: need one that has some"));
  CHECK_THROWS_AS(constant.front(), Error);
  CHECK_THROWS_AS(constant.back(), Error);
  CHECK_THROWS_WITH(d[0], Equals("OrderedDict: an OrderedDict without pairs: need one that has some"));
  CHECK_THROWS_WITH(d["a"], Equals("OrderedDict: key 'a': it is not there"));
  CHECK_THROWS_WITH(d.erase("a"), Equals("OrderedDict: key 'a': it is not there"));
  CHECK(d.find("a") == nullptr);
  CHECK(d.begin() == d.end());
  d.clear();
  CHECK(d.is_empty());
}

TEST_CASE("OrderedDict: pairs by position and by key", "[nn]") {
  Dict d({{"b", 2}, {"a", 1}});
  const Dict& constant = d;
  CHECK(d.front().key() == "b");
  CHECK(constant.back().value() == 1);
  CHECK(d[1].key() == "a");
  CHECK(constant[0].value() == 2);
  CHECK(d["a"] == 1);
  CHECK_THROWS_WITH(d[2], Equals("OrderedDict: pair 2 of 2: need a smaller number"));
  CHECK_THROWS_WITH(constant[static_cast<std::size_t>(-1)], ContainsSubstring("need a smaller number"));
  CHECK_THROWS_WITH(d.insert("a", 3), Equals("OrderedDict: key 'a': it is there already; need another"));
  CHECK_THROWS_AS(Dict({{"x", 1}, {"x", 2}}), Error);
  d.front().value() = 5;
  CHECK(constant["b"] == 5);
}

TEST_CASE("OrderedDict: update takes all pairs or none, erase keeps the order", "[nn]") {
  Dict d({{"a", 1}, {"b", 2}, {"c", 3}});
  CHECK_THROWS_AS(d.update(Dict({{"d", 4}, {"b", 5}})), Error);
  CHECK(d.keys() == std::vector<std::string>{"a", "b", "c"});
  d.update(Dict({{"d", 4}}));
  d.erase("b");
  CHECK(d.keys() == std::vector<std::string>{"a", "c", "d"});
  CHECK(d.values() == std::vector<int>{1, 3, 4});
  CHECK_FALSE(d.contains("b"));
  d.clear();
  CHECK_THROWS_AS(d.back(), Error);
}
