#include <algorithm>
#include <array>
#include <cmath>
#include <iomanip>
#include <sstream>

#include <nlohmann/json.hpp>

#include <backflow/io/inspect.h>

namespace backflow::io {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::array<std::string, 9>;

std::string short_number(double x) {
  std::ostringstream out;
  out << std::setprecision(6) << x;
  return out.str();
}

std::string short_number(const std::optional<double>& x) { return x ? short_number(*x) : "-"; }

// The columns that a text takes: its code points, one for each byte that does not continue one (UTF-8).
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string table_text(const std::vector<Row>& rows) {
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(i + 1 < row.size() ? widths[i] - width(row[i]) + 2 : 0, ' ');
    }
    text += line + "\n";
  }
  return text;
}

/// The text on one line, without what a terminal would obey.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return text;
}

/// The start of it.
std::string short_text(const std::string& text) {
  constexpr std::size_t kLongest = 60;
  return one_line(text.substr(0, kLongest)) + (text.size() > kLongest ? "..." : "");
}

std::string list_text(const char* title, const std::map<std::string, std::string>& texts, const char* between) {
  std::string line;
  for (const auto& [key, text] : texts)
    line += (line.empty() ? "" : ", ") + short_text(key) + between + short_text(text);
  return line.empty() ? "" : title + line + "\n";
}

std::uint64_t total_bytes(const FileFigures& file) {
  std::uint64_t bytes = 0;
  for (const TensorFigures& tensor : file.tensors) bytes += tensor.bytes;
  return bytes;
}

/// A number, or what the metrics have for those that JSON lacks.
Json json_number(const std::optional<double>& x) {
  if (!x) return nullptr;
  if (std::isfinite(*x)) return *x;
  return std::isnan(*x) ? "NaN" : *x > 0 ? "Infinity" : "-Infinity";
}

std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string inspection_text(const FileFigures& file) {
  std::vector<Row> rows{{"name", "dtype", "shape", "bytes", "min", "mean", "max", "NaN", "digest"}};
  for (const TensorFigures& x : file.tensors) {
    rows.push_back({one_line(x.name), name(x.type), to_text(x.sizes), std::to_string(x.bytes), short_number(x.min),
                    short_number(x.mean), short_number(x.max), std::to_string(x.nans), x.digest});
  }
  const bool is_dump = file.format == TensorFormat::Hdf5;
  const std::string kind = is_dump
                               ? to_text("format ", file.format_version, ", step ", file.step, ", epoch ", file.epoch)
                               : std::string(name(file.format));
  return to_text(file.path, ": ", kind, ", ", file.tensors.size(), " tensors of ", total_bytes(file), " bytes",
                 is_dump ? ", digest " + file.digest : "", "\n", list_text("versions: ", file.versions, " "),
                 list_text("metadata: ", file.metadata, " = "), table_text(rows));
}

std::string inspection_json(const FileFigures& file) {
  Json json{{"path", file.path}, {"format", name(file.format)}, {"digest", file.digest}};
  if (file.format == TensorFormat::Hdf5) {
    json["format_version"] = file.format_version;
    json["step"] = file.step;
    json["epoch"] = file.epoch;
    json["versions"] = file.versions;
  }
  json["metadata"] = file.metadata;
  json["bytes"] = total_bytes(file);
  json["tensors"] = Json::array();
  for (const TensorFigures& x : file.tensors) {
    json["tensors"].push_back({{"name", x.name},
                               {"dtype", name(x.type)},
                               {"shape", std::vector<std::int64_t>(x.sizes.begin(), x.sizes.end())},
                               {"bytes", x.bytes},
                               {"min", json_number(x.min)},
                               {"mean", json_number(x.mean)},
                               {"max", json_number(x.max)},
                               {"nan", x.nans},
                               {"digest", x.digest}});
  }
  return dump(json);
}

std::string TensorDifference::text() const {
  if (problem != "values") return one_line(name) + ": " + problem;
  return to_text(one_line(name), ": ", elements, elements == 1 ? " element differs" : " elements differ",
                 ", by at most ", short_number(max_difference));
}

std::string differences_json(const std::vector<TensorDifference>& differences) {
  Json json{{"equal", differences.empty()}, {"differences", Json::array()}};
  for (const TensorDifference& x : differences) {
    Json entry{{"name", x.name}, {"problem", x.problem}};
    if (x.problem == "values") {
      entry["elements"] = x.elements;
      entry["max_difference"] = json_number(x.max_difference);
    }
    json["differences"].push_back(std::move(entry));
  }
  return dump(json);
}

}  // namespace backflow::io
