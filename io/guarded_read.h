#pragma once

#include <functional>
#include <optional>

namespace backflow::io {

/// HDF5 1.10 can crash, loop for ever or fill memory on a damaged file. So a file that is not ours, that is one without
/// the digest of a dump, is read by a child process first. What ends the child becomes an Error that names the file,
/// and an error that it meets is the caller's; the caller's own process then does not read the file. The child has
/// limits: of processor time 5 s and 1 s for each 5 MB of the file, of real time 15 times as much and 10 minutes, of
/// memory 256 MiB and 100 times the file.
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
/// `stop_requested` is asked some 20 times a second while the child reads. Once it says true, the child is ended and
/// the read throws Error. It may be empty.
void use_guard_program(std::function<bool()> stop_requested);

/// The exit code of a process that was started as such a child; none in any other, where it does nothing. Call it
/// before threads and MPI.
std::optional<int> run_guard(int argc, char** argv);

}  // namespace backflow::io
