// The `backflow` program, with the models of the library alone.
#include <backflow/train/program.h>

int main(int argc, char** argv) { return backflow::train::main(argc, argv); }
