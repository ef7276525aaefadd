#pragma once

namespace backflow::train {

/// The `backflow` program: reads the command line, runs one command, and turns exceptions into one message. Returns the
/// exit code. A program with models of its own registers them (model/model_registry.h) and calls this.
int main(int argc, char** argv);

}  // namespace backflow::train
