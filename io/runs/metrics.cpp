#include <backflow/io/metrics.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>

#include <nlohmann/json.hpp>

#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

using Json = nlohmann::ordered_json;

struct ToJson {
  Json operator()(std::int64_t x) const { return x; }
  Json operator()(bool x) const { return x; }
  Json operator()(const std::string& x) const { return x; }
  Json operator()(double x) const {
    if (std::isnan(x)) return "NaN";
    if (std::isinf(x)) return x < 0 ? "-Infinity" : "Infinity";
    return x;
  }
  Json operator()(const std::vector<std::string>& x) const { return x; }
  Json operator()(const std::vector<std::vector<std::int64_t>>& x) const { return x; }
};

// Text that is not UTF-8 (a path may be anything) must not stop a run: the bad bytes are replaced.
std::string dump(const Json& json, int indent) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

class File {
 public:
  File(const std::string& path, int flags) : path_(path), file_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    check(file_ >= 0, path_, ": cannot open: ", std::strerror(errno));
  }
  ~File() {
    if (file_ >= 0) ::close(file_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int release() { return std::exchange(file_, -1); }
  off_t size() const {
    const off_t end = ::lseek(file_, 0, SEEK_END);
    check(end >= 0, path_, ": cannot read: ", std::strerror(errno), ": need a regular file");
    return end;
  }
  std::string bytes(off_t from, off_t to) const {
    std::string text(static_cast<std::size_t>(to - from), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t got = ::pread(file_, text.data() + done, text.size() - done, from + static_cast<off_t>(done));
      if (got < 0 && errno == EINTR) continue;
      check(got > 0, path_, ": cannot read: ", got < 0 ? std::strerror(errno) : "it became shorter");
      done += static_cast<std::size_t>(got);
    }
    return text;
  }
  // The place behind the last newline before `end`, or the start of the file.
  off_t line_start(off_t end) const {
    constexpr off_t kBlock = 64 * 1024;
    while (end > 0) {
      const off_t from = std::max<off_t>(0, end - kBlock);
      const std::size_t newline = bytes(from, end).rfind('\n');
      if (newline != std::string::npos) return from + static_cast<off_t>(newline) + 1;
      end = from;
    }
    return 0;
  }

 private:
  const std::string& path_;
  int file_;
};

MetricValue from_json(const Json& json, const std::string& path) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  const auto is_all = [&](const auto& fits) { return json.is_array() && std::all_of(json.begin(), json.end(), fits); };
  if (is_all([](const Json& x) { return x.is_string(); })) return json.get<std::vector<std::string>>();
  const auto is_row = [](const Json& row) {
    return row.is_array() && std::all_of(row.begin(), row.end(), [](const Json& x) { return x.is_number_integer(); });
  };
  if (is_all(is_row)) return json.get<std::vector<std::vector<std::int64_t>>>();
  check(json.is_string(), path, ": last line: a field is ", json.type_name(),
        ": need numbers, texts, true or false, or a list of texts or of rows of integers");
  return json.get<std::string>();
}

}  // namespace

MetricsWriter::MetricsWriter(std::string path, Mode mode) : path_(std::move(path)) {
  File file(path_, O_RDWR | O_CREAT | O_APPEND | (mode == Mode::Truncate ? O_TRUNC : 0));
  file_ = file.release();
  if (mode == Mode::Truncate) return;
  const File reader(path_, O_RDONLY);
  if (::ftruncate(file_, reader.line_start(reader.size())) != 0) {
    const int error = errno;
    ::close(file_);
    fail(path_, ": cannot write: ", std::strerror(error));
  }
}

MetricsWriter::~MetricsWriter() { ::close(file_); }

// A file that was removed takes every line without a complaint.
void MetricsWriter::check_place() {
  const auto now = std::chrono::steady_clock::now();
  if (now - checked_ < std::chrono::seconds(1)) return;
  checked_ = now;
  struct stat ours = {};
  struct stat named = {};
  check(::fstat(file_, &ours) == 0 && ::stat(path_.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
            ours.st_dev == named.st_dev,
        path_, ": is not there any more: need the run directory in its place until the run has ended");
}

void MetricsWriter::write(std::string_view event, const MetricRecord& fields) {
  check_place();
  Json json{{"event", event}};
  for (const auto& [key, value] : fields) json[key] = std::visit(ToJson{}, value);
  const std::string line = dump(json, -1) + "\n";
  const off_t start = ::lseek(file_, 0, SEEK_END);
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t written = ::write(file_, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      // Half a line would make the file unreadable. Where even that cannot be undone, readers skip it.
      if (start >= 0 && done > 0) static_cast<void>(::ftruncate(file_, start) == 0);
      fail(path_, ": cannot write: ", std::strerror(error));
    }
    done += static_cast<std::size_t>(written);
  }
}

std::optional<MetricRecord> last_metrics(const std::string& path) {
  const File file(path, O_RDONLY);
  const off_t end = file.line_start(file.size());  // what is behind the last newline is not complete
  if (end == 0) return std::nullopt;
  const std::string line = file.bytes(file.line_start(end - 1), end);
  const Json json = Json::parse(line, nullptr, false);
  check(json.is_object(), path, ": last line: not a JSON object: need one as MetricsWriter writes them");
  MetricRecord record;
  for (const auto& [key, value] : json.items()) record.emplace_back(key, from_json(value, path));
  return record;
}

double metric_number(const MetricRecord& record, std::string_view key) {
  const auto found = std::find_if(record.begin(), record.end(), [&](const auto& field) { return field.first == key; });
  check(found != record.end(), "metrics: no field '", key, "': need a number");
  if (const auto* x = std::get_if<double>(&found->second)) return *x;
  if (const auto* x = std::get_if<std::int64_t>(&found->second)) return static_cast<double>(*x);
  if (const auto* text = std::get_if<std::string>(&found->second)) {
    if (*text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (*text == "Infinity") return std::numeric_limits<double>::infinity();
    if (*text == "-Infinity") return -std::numeric_limits<double>::infinity();
  }
  fail("metrics: field '", key, "' is no number: need one");
}

std::string to_json(const MetricRecord& fields) {
  Json json = Json::object();
  for (const auto& [key, value] : fields) json[key] = std::visit(ToJson{}, value);
  return dump(json, 2) + "\n";
}

}  // namespace backflow::io
