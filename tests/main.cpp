// For test programs that have no main of their own.
#include <backflow/tests/catch2.h>

int main(int argc, char** argv) { return backflow::test::run(argc, argv); }
