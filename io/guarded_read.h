#pragma once

#include <functional>
#include <optional>

namespace backflow::io {

/// HDF5 1.10 can crash, loop for ever or fill memory on a damaged file, even on a dump of ours whose digest was made
/// anew. So a child process reads an HDF5 file. What ends the child becomes an Error that names the file, and an error
/// that it meets is the caller's.
///
/// - Of a dump the child sends names, dtypes, sizes and places; the caller's process checks them, and reads the
/// elements
///   from the file itself. Elements that are compressed, or in another form than in memory, come from the child.
/// - Of a data set (Hdf5Samples) the child tries out the structure first; then the caller's process reads it.
///
/// The child has limits: of processor time 5 s and 1 s for each 5 MB of the file, of real time 15 times as much and 10
/// minutes, of memory 256 MiB and 100 times the file. It takes about 10 ms where it is a copy, 10 to 30 ms where the
/// program is started anew.
///
/// A program that calls use_guard_program() starts itself anew as the child, and begins its main() with
///
///     if (const std::optional<int> code = backflow::io::run_guard(argc, argv)) return *code;
///
/// `backflow` and programs that call backflow::train::main() do. In any other program the child is a copy by fork(). It
/// calls HDF5 and the reader alone, no MPI. Two things are dangerous then: MPI over InfiniBand whose driver forbids
/// fork(), and many threads that ask for memory at that moment, whose lock the copy may inherit. Such a program calls
/// both functions.
///
/// `stop_requested` is asked some 20 times a second while the caller waits for the child. 2 s after it says true, the
/// child is ended and the read throws Error. It may be empty.
void use_guard_program(std::function<bool()> stop_requested);

/// The exit code of a process that was started as such a child; none in any other, where it does nothing. Call it
/// before threads and MPI.
std::optional<int> run_guard(int argc, char** argv);

}  // namespace backflow::io
