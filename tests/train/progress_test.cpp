#include <backflow/tests/catch2.h>

#include <backflow/train/progress.h>

using backflow::train::Progress;

TEST_CASE("a progress line says where the run is") {
  CHECK(Progress::describe(
            {.epoch = 2, .epochs = 8, .step = 750, .steps = 3752, .loss = 0.40312, .samples_per_second = 10250.4},
            42.4) == "epoch 2/8  step 750/3752  loss 0.4031  10250 samples/s  ETA 0:42");
  CHECK(Progress::describe({}, 3 * 3600 + 62) == "epoch 0/0  step 0/0  loss 0.0000  0 samples/s  ETA 3:01:02");
}

TEST_CASE("a progress bar fills from left to right and never overflows") {
  CHECK(Progress::bar(0, 10) == "[----------]");
  CHECK(Progress::bar(0.5, 10) == "[#####-----]");
  CHECK(Progress::bar(1, 10) == "[##########]");
  CHECK(Progress::bar(1.5, 4) == "[####]");
  CHECK(Progress::bar(-1, 4) == "[----]");
}
