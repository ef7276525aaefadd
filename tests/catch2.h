/// Catch2, version 2 (Debian 12) or 3 (Debian 13), in one form: version 3's. Tests include this and nothing else of it.
/// At hand without a namespace: the macros, Approx, and the matchers ContainsSubstring, StartsWith, EndsWith, Equals,
/// WithinAbs, WithinRel and Message.
#pragma once

#if __has_include(<catch2/catch_test_macros.hpp>)

#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>

using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

#else

#include <catch2/catch.hpp>

#include <string>

// NOLINTNEXTLINE(readability-identifier-naming): the name that version 3 gives it
inline auto ContainsSubstring(const std::string& text) { return Catch::Matchers::Contains(text); }

#endif

using Catch::Matchers::EndsWith;
using Catch::Matchers::Equals;
using Catch::Matchers::Message;
using Catch::Matchers::StartsWith;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace backflow::test {

/// Runs the tests that the command line selects: the exit code. A failure prints the line that reproduces it.
int run(int argc, char** argv);

}  // namespace backflow::test
