#pragma once

#include <string>

#include <backflow/exchange/npy.h>

namespace backflow::io::detail {

/// Reads the dictionary of a .npy header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, a literal of
/// Python. Throws Error, which `where` starts, for anything else.
NpyHeader parse_npy_dictionary(const std::string& text, const std::string& where);

/// The header of a .npy file of version 1, with magic and padding, for a row-major little-endian array.
std::string npy_header_text(ElementType type, IntArrayRef sizes);

}  // namespace backflow::io::detail
