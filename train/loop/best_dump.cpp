#include <backflow/train/loop/best_dump.h>

#include <backflow/io/run_directory.h>

namespace backflow::train {
namespace {

bool is_on_rank_0(distributed::Communicator& world, bool is_so) {
  return !world.all_gather(is_so ? "yes" : "").front().empty();
}

}  // namespace

void forget_best_without_file(LoopControl& control, RunOutput& output, distributed::Communicator& world) {
  if (control.best() == nullptr || !control.best()->best()) {
    return;
  }
  RunFiles* const files = output.files();
  if (!is_on_rank_0(world, files != nullptr && !files->had_best())) {
    return;
  }
  control.forget_best();
  if (files != nullptr) {
    output.report().warn(to_text(files->directory(), "/checkpoints/", io::RunDirectory::kBest,
                                 ": is not there: the best evaluation from now on writes it"));
  }
}

void forget_lost_best(LoopControl& control, const Checkpoints& checkpoints, distributed::Communicator& world) {
  if (control.best() != nullptr && is_on_rank_0(world, checkpoints.is_best_lost())) {
    control.forget_best();
  }
}

}  // namespace backflow::train
