// One declaration for the forms of an operator with one, two and three spatial dimensions.
#include <backflow/ops/dimensions_internal.h>

#include <string>

#include <backflow/tests/catch2.h>

using namespace backflow;
using detail::in_dimensions;

namespace {

template <int N>
struct Blur {
  static constexpr OperatorInfo pattern = {
      .signature = "blur{N}d(Tensor self{|, int rows|, int rows, int planes}) -> Tensor",
      .formula = "y = x",
      .doc = "{Of [{sizes}].|As blur1d, of [{sizes}] in {a line|a {square|square|cube of side {N}}}.}",
      .dtypes = kFloatingDtypes,
      .node = "{Line|Blur{N}D}Backward0",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
};

}  // namespace

TEST_CASE("dimensions: a pattern's placeholders become those of each form") {
  CHECK(std::string(Blur<1>::info.name) == "blur1d");
  CHECK(std::string(Blur<3>::info.name) == "blur3d");
  CHECK(std::string(Blur<1>::info.signature) == "blur1d(Tensor self) -> Tensor");
  CHECK(std::string(Blur<2>::info.signature) == "blur2d(Tensor self, int rows) -> Tensor");
  CHECK(std::string(Blur<3>::info.signature) == "blur3d(Tensor self, int rows, int planes) -> Tensor");
  CHECK(std::string(Blur<2>::info.formula) == "y = x");
  CHECK(std::string(Blur<1>::info.node) == "LineBackward0");
  CHECK(std::string(Blur<2>::info.node) == "Blur2DBackward0");
  CHECK(Blur<2>::info.inplace == nullptr);
  CHECK(Blur<2>::info.dtypes.contains(kFloat32));
  CHECK(!Blur<2>::info.dtypes.contains(kInt32));
}

TEST_CASE("dimensions: the last alternative is that of all further dimensions, and one may hold placeholders") {
  CHECK(std::string(Blur<1>::info.doc) == "Of [length].");
  CHECK(std::string(Blur<2>::info.doc) == "As blur1d, of [height, width] in a square.");
  CHECK(std::string(Blur<3>::info.doc) == "As blur1d, of [depth, height, width] in a cube of side 3.");
}
