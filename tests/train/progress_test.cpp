#include <backflow/tests/catch2.h>

#include <backflow/train/views/progress.h>

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

TEST_CASE("a progress line fits the terminal, without its last column") {
  const Progress::State state{
      .epoch = 2, .epochs = 10, .step = 2345, .steps = 4690, .loss = 0.40312, .samples_per_second = 102504};
  const auto fitted = [&](std::size_t columns) { return Progress::fitted(state, 42, columns); };
  CHECK(fitted(120) == "[##########----------] epoch 2/10  step 2345/4690  loss 0.4031  102504 samples/s  ETA 0:42");
  CHECK(fitted(80) == "[#####----] epoch 2/10  step 2345/4690  loss 0.4031  102504 samples/s  ETA 0:42");
  CHECK(fitted(70) == "epoch 2/10  step 2345/4690  loss 0.4031  102504 samples/s  ETA 0:42");
  CHECK(fitted(60) == "[####---] epoch 2/10  step 2345/4690  loss 0.4031  ETA 0:42");
  CHECK(fitted(40) == "step 2345/4690  loss 0.4031  ETA 0:42");
  CHECK(fitted(20) == "step 2345/4690");
  CHECK(fitted(10) == "step 2345");
  CHECK(fitted(1).empty());
  CHECK(fitted(0).empty());
  for (std::size_t columns = 1; columns < 200; ++columns) {
    CHECK(fitted(columns).size() < columns);
  }
}

TEST_CASE("the time that is left follows from this run's own steps") {
  // Two steps in ten seconds, behind 90 of an earlier run: eight more take 40.
  CHECK(Progress::seconds_left({.step = 92, .steps = 100}, 90, 10) == 40);
  CHECK(Progress::seconds_left({.step = 2, .steps = 100}, 0, 10) == 490);
  CHECK(Progress::seconds_left({.step = 90, .steps = 100}, 90, 10) == 0);
  CHECK(Progress::seconds_left({.step = 100, .steps = 100}, 90, 10) == 0);
}
