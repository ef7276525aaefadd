#include <backflow/train/views/graphviz.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backflow/runtime/base/error.h>

extern char** environ;

namespace backflow::train {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// A file without a name that holds `text`, to be read from its start: a pipe would be full while `dot` still writes.
File file_of(const std::string& text) {
  File file(std::tmpfile(), std::fclose);
  check(file && std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() && std::fflush(file.get()) == 0,
        "graph: cannot write a temporary file: ", std::strerror(errno));
  std::rewind(file.get());
  return file;
}

struct Pipe {
  Pipe() { check(::pipe2(ends.data(), O_CLOEXEC) == 0, "graph: cannot make a pipe: ", std::strerror(errno)); }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_end(std::size_t end) {
    if (ends[end] >= 0) {
      ::close(ends[end]);
      ends[end] = -1;
    }
  }
  std::array<int, 2> ends = {-1, -1};
};

pid_t start(const std::string& format, int input, int output) {
  std::string option = "-T" + format;
  std::string program = "dot";
  char* arguments[] = {program.data(), option.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "dot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  check(error == 0, "graph: cannot run 'dot': need the package graphviz");
  return child;
}

std::string read_all(int from) {
  std::string text;
  std::array<char, 65536> block;
  for (;;) {
    const ssize_t got = ::read(from, block.data(), block.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return text;
    }
    text.append(block.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

std::string run_graphviz(const std::string& dot, const std::string& format) {
  const File input = file_of(dot);
  Pipe output;
  const pid_t child = start(format, ::fileno(input.get()), output.ends[1]);
  output.close_end(1);
  std::string drawing = read_all(output.ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !drawing.empty(),
        "graph: 'dot' failed: need a graphviz that draws ", format);
  return drawing;
}

}  // namespace backflow::train
