#include <backflow/train/report/picture.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <backflow/exchange/atomic_file.h>
#include <backflow/runtime/base/error.h>
#include <backflow/train/report/run_texts.h>
#include <backflow/train/run/child.h>

namespace backflow::train {
namespace {

namespace fs = std::filesystem;

constexpr int kWidth = 1280;
constexpr int kUsualHeight = 2400;
constexpr int kMostHeight = 16000;
constexpr std::size_t kMostPicture = std::size_t{256} << 20;

/// A directory of its own that is removed in the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "backflow-report-XXXXXX").string();
    check(::mkdtemp(name.data()) != nullptr, name, ": cannot make a temporary directory");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string find_browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome", "chrome"}) {
    if (std::string path = find_program(name); !path.empty()) {
      return path;
    }
  }
  fail("report: --png: no chromium in PATH: need the package chromium, which draws the picture");
}

/// Runs the browser on the page of the folder; returns what it printed.
std::string browse(const std::string& browser, const Folder& folder, int height, const std::string& task) {
  std::vector<std::string> arguments = {browser,
                                        "--headless",
                                        "--disable-gpu",
                                        "--hide-scrollbars",
                                        "--no-first-run",
                                        "--disable-dev-shm-usage",
                                        "--user-data-dir=" + folder.file("profile"),
                                        to_text("--window-size=", kWidth, ",", height),
                                        "--virtual-time-budget=3000",
                                        task,
                                        "file://" + folder.file("report.html")};
  if (::geteuid() == 0) {
    arguments.insert(arguments.begin() + 1, "--no-sandbox");  // root has no sandbox to give; the page is our own
  }
  const std::string output = folder.file("output.txt");
  Child child(arguments, {.output = output});
  constexpr double kMostSeconds = 180;
  const std::optional<int> code = child.wait(kMostSeconds);
  check(code.has_value(), "report: --png: ", browser, " takes longer than ", kMostSeconds, " s");
  check(*code == 0, "report: --png: ", browser, " failed with exit code ", *code, ": ", tail_of(output, 300));
  constexpr std::size_t kMostOutput = std::size_t{64} << 20;
  return head_of(output, kMostOutput);
}

/// The height of the page, which it writes into its first element.
int height_in(const std::string& document) {
  constexpr std::string_view kMark = "data-height=\"";
  const std::size_t at = document.find(kMark);
  const int height = at == std::string::npos ? 0 : std::atoi(document.c_str() + at + kMark.size());
  return height > 0 ? std::min(height, kMostHeight) : kUsualHeight;
}

}  // namespace

void write_picture(const std::string& page, const std::string& file) {
  const std::string browser = find_browser();
  const Folder folder;
  io::write_file_atomically(folder.file("report.html"), page);
  const int height = height_in(browse(browser, folder, kUsualHeight, "--dump-dom"));
  browse(browser, folder, height, "--screenshot=" + folder.file("picture.png"));
  const std::string picture = head_of(folder.file("picture.png"), kMostPicture);
  check(!picture.empty(), "report: --png: ", browser, " drew nothing");
  io::write_file_atomically(file, picture);
}

}  // namespace backflow::train
