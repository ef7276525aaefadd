#include <backflow/train/formatted.h>

#include <cstdarg>
#include <cstdio>

namespace backflow::train {

std::string formatted(const char* format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

}  // namespace backflow::train
