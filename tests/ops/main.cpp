// BACKFLOW_INSTRUCTIONS=avx2 or plain: kernels use no more than these instructions, whatever the machine has.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <hwy/targets.h>

#include <backflow/tests/catch2.h>

int main(int argc, char** argv) {
  const char* const wanted = std::getenv("BACKFLOW_INSTRUCTIONS");
  constexpr std::int64_t kPlain = HWY_EMU128 | HWY_SCALAR;
  if (const std::string name = wanted != nullptr ? wanted : ""; name == "avx2") {
    hwy::SetSupportedTargetsForTest((hwy::SupportedTargets() & HWY_AVX2) | kPlain);
  } else if (name == "plain") {
    hwy::SetSupportedTargetsForTest(kPlain);
  } else if (!name.empty()) {
    std::fprintf(stderr, "BACKFLOW_INSTRUCTIONS=%s: need avx2 or plain\n", wanted);
    return 2;
  }
  return backflow::test::run(argc, argv);
}
