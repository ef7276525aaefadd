#include <backflow/io/inspect.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <iomanip>
#include <sstream>

#include <backflow/io/dump_internal.h>

namespace backflow::io {
namespace {

using Row = std::array<std::string, 7>;

std::string short_number(double x) {
  std::ostringstream out;
  out << std::setprecision(6) << x;
  return out.str();
}

// The figures of a tensor: smallest, largest, mean.
std::array<std::string, 3> figures(const Tensor& x) {
  return dispatch(x.scalar_type(), [&](auto zero) -> std::array<std::string, 3> {
    using T = decltype(zero);
    const T* data = x.const_data_ptr<T>();
    double low = INFINITY;
    double high = -INFINITY;
    double sum = 0.0;
    std::int64_t nans = 0;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const auto value = static_cast<double>(data[i]);
      if (std::isnan(value)) {
        ++nans;
        continue;
      }
      low = std::min(low, value);
      high = std::max(high, value);
      sum += value;
    }
    const std::string note = nans > 0 ? to_text(" (", nans, " NaN)") : "";
    if (nans == x.numel()) return {"-", "-", "-" + note};
    return {short_number(low), short_number(high), short_number(sum / static_cast<double>(x.numel() - nans)) + note};
  });
}

Row row_of(const detail::DumpEntry& entry) {
  const auto [low, high, mean] = figures(entry.value);
  const char* state = !entry.stated_checksum ? "none" : entry.is_intact() ? "ok" : "WRONG";
  return {"/" + entry.group + "/" + entry.name,
          name(entry.value.scalar_type()),
          to_text(entry.value.sizes()),
          low,
          high,
          mean,
          state};
}

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

std::string full_name(const detail::DumpEntry& entry) { return "/" + entry.group + "/" + entry.name; }

std::vector<detail::DumpEntry> compared_entries(const std::string& path) {
  detail::RawDump dump = detail::read_raw_dump(path);
  std::erase_if(dump.entries,
                [](const detail::DumpEntry& entry) { return entry.group != "parameters" && entry.group != "buffers"; });
  for (const detail::DumpEntry& entry : dump.entries) {
    check(entry.is_intact(), path, ": '", full_name(entry), "' does not match its checksum: need an intact copy");
  }
  return std::move(dump.entries);
}

const detail::DumpEntry* find(const std::vector<detail::DumpEntry>& entries, const detail::DumpEntry& like) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const detail::DumpEntry& entry) {
    return entry.group == like.group && entry.name == like.name;
  });
  return found == entries.end() ? nullptr : &*found;
}

template <class T>
bool same_bits(T x, T y) {
  using Bytes = std::array<std::byte, sizeof(T)>;
  return std::bit_cast<Bytes>(x) == std::bit_cast<Bytes>(y);
}

// Counts the elements of two tensors of the same shape and dtype whose bits differ.
void compare_values(const Tensor& a, const Tensor& b, DumpDifference& difference) {
  dispatch(a.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* x = a.const_data_ptr<T>();
    const T* y = b.const_data_ptr<T>();
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      if (same_bits(x[i], y[i])) continue;
      ++difference.elements;
      const double distance = x[i] == y[i] ? 0.0 : std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
      if (std::isnan(distance) || distance > difference.max_difference) difference.max_difference = distance;
    }
  });
}

}  // namespace

std::string inspect_dump(const std::string& path) {
  const detail::RawDump dump = detail::read_raw_dump(path);
  std::size_t bytes = 0;
  std::vector<Row> rows{{"name", "dtype", "shape", "min", "max", "mean", "checksum"}};
  for (const detail::DumpEntry& entry : dump.entries) {
    bytes += entry.value.nbytes();
    rows.push_back(row_of(entry));
  }
  std::string versions;
  for (const auto& [library, version] : dump.info.versions) {
    versions += (versions.empty() ? "" : ", ") + library + " " + version;
  }
  return to_text(path, ": format ", dump.format_version, ", step ", dump.info.step, ", epoch ", dump.info.epoch, ", ",
                 dump.entries.size(), " tensors of ", bytes, " bytes, digest ",
                 dump.digest == detail::Digest::Verified ? "ok" : "none", "\n",
                 versions.empty() ? "" : "versions: " + versions + "\n", table_text(rows));
}

std::string DumpDifference::text() const {
  if (problem != "values") return name + ": " + problem;
  return to_text(name, ": ", elements, elements == 1 ? " element differs" : " elements differ", ", by at most ",
                 short_number(max_difference));
}

std::vector<DumpDifference> diff_dumps(const std::string& a, const std::string& b) {
  const std::vector<detail::DumpEntry> first = compared_entries(a);
  const std::vector<detail::DumpEntry> second = compared_entries(b);
  std::vector<DumpDifference> result;
  for (const detail::DumpEntry& entry : first) {
    const detail::DumpEntry* other = find(second, entry);
    DumpDifference difference{full_name(entry), {}};
    if (other == nullptr) {
      difference.problem = "only in " + a;
    } else if (entry.value.scalar_type() != other->value.scalar_type()) {
      difference.problem = to_text("dtypes ", entry.value.scalar_type(), " and ", other->value.scalar_type());
    } else if (entry.value.sizes() != other->value.sizes()) {
      difference.problem = to_text("shapes ", entry.value.sizes(), " and ", other->value.sizes());
    } else {
      compare_values(entry.value, other->value, difference);
      difference.problem = difference.elements > 0 ? "values" : "";
    }
    if (!difference.problem.empty()) result.push_back(std::move(difference));
  }
  for (const detail::DumpEntry& entry : second) {
    if (find(first, entry) == nullptr) result.push_back({full_name(entry), "only in " + b});
  }
  return result;
}

}  // namespace backflow::io
