#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/exchange/atomic_file.h>
#include <backflow/io/config.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/report/page.h>
#include <backflow/train/report/picture.h>
#include <backflow/train/report/report_data.h>
#include <backflow/train/report/server.h>
#include <backflow/train/run/stop_signal.h>

namespace backflow::train {
namespace {

struct Options {
  std::vector<std::string> runs;
  std::string output;
  std::string png;
  bool follow = false;
  int port = 0;
};

/// Where the page goes unless the command line says it.
std::string output_of(const Options& line) {
  if (!line.output.empty() || !line.png.empty()) {
    return line.output;
  }
  if (line.runs.size() > 1) {
    throw io::ConfigError("report: several runs: need -o FILE for their report");
  }
  return (std::filesystem::path(line.runs.front()) / "report.html").string();
}

int run_report(const Options& line) {
  if (line.follow) {
    watch_stop_signals();
    serve_report(line.runs, line.port, [](const std::string& address) {
      std::cout << "report: " << address << "  (Ctrl-C ends it)" << std::endl;
    });
    return kDone;
  }
  const std::string output = output_of(line);
  ReportData data(run_directories(line.runs));
  data.update();
  const std::string page = report_page(data.json(), PageMode::File);
  if (!output.empty()) {
    io::write_file_atomically(output, page);
    std::cout << "report: " << output << '\n';
  }
  if (!line.png.empty()) {
    write_picture(page, line.png);
    std::cout << "picture: " << line.png << '\n';
  }
  return kDone;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* report = app.add_subcommand("report", "make an HTML page of runs: curves, tables, profile, differences");
  report->add_option("RUN", line->runs, "run directories, or those of sweeps")->required();
  report
      ->add_option("-o,--output", line->output,
                   "HTML file; report.html in the run's directory unless several runs or --png are given")
      ->check(not_empty, "")
      ->type_name("FILE");
  CLI::Option* png = report->add_option("--png", line->png, "also a picture of it, drawn by a headless Chromium")
                         ->check(not_empty, "")
                         ->type_name("FILE");
  CLI::Option* follow =
      report->add_flag("--follow", line->follow, "serve the page on 127.0.0.1 and refresh it while the runs go on")
          ->excludes(png)
          ->excludes(report->get_option("--output"));
  report->add_option("--port", line->port, "port of --follow; a free one unless given")
      ->needs(follow)
      ->check(CLI::Range(1, 65535));
  report->callback([line, &action] { action.run = [line] { return run_report(*line); }; });
}

}  // namespace backflow::train
