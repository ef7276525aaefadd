#include <backflow/train/views/terminal.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace backflow::train {
namespace {

constexpr std::size_t kUsualColumns = 80;

std::size_t columns_of_environment() {
  const char* text = std::getenv("COLUMNS");
  const std::string_view digits = text != nullptr ? text : "";
  std::size_t columns = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), columns);
  return error == std::errc() && end == digits.data() + digits.size() ? columns : 0;
}

}  // namespace

std::size_t terminal_columns(int stream) {
  if (isatty(stream) == 0) {
    return 0;
  }
  winsize size = {};
  if (ioctl(stream, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  const std::size_t columns = columns_of_environment();
  return columns > 0 ? columns : kUsualColumns;
}

void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) < 0) {
      // The lowest number that is free is this one. What fails here leaves things as they were.
      static_cast<void>(open("/dev/null", O_RDWR));
    }
  }
}

}  // namespace backflow::train
