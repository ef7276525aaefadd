#pragma once

#include <cstddef>

namespace backflow::train {

/// Columns of the terminal that the open file `stream` shows on: what the terminal says now, else COLUMNS, else 80;
/// 0 when it is no terminal.
std::size_t terminal_columns(int stream);

/// Opens /dev/null in place of each standard stream that is closed. A file that is opened later would get its number
/// otherwise, and what is printed would land in a dump.
void open_standard_streams();

}  // namespace backflow::train
