#include <backflow/train/views/profile_layout.h>

#include <algorithm>
#include <cstdio>

namespace backflow::train {
namespace {

enum Column : std::size_t { kDirection, kCalls, kTime, kShare, kFlopRate, kByteRate };

constexpr std::array<std::size_t, 6> kWidths = {8, 8, 10, 7, 9, 8};
constexpr std::size_t kWidestName = 28;
constexpr std::size_t kNarrowestName = 16;

std::string number(const char* format, double x) {
  char text[64];
  std::snprintf(text, sizeof text, format, x);
  return text;
}

}  // namespace

ProfileLayout::ProfileLayout(std::size_t columns) {
  shown_.fill(true);
  std::size_t taken = kColumns;  // the spaces before them
  for (const std::size_t width : kWidths) {
    taken += width;
  }
  for (const Column least : {kByteRate, kFlopRate, kCalls, kDirection, kShare}) {
    if (taken + kNarrowestName <= columns) {
      break;
    }
    shown_[least] = false;
    taken -= kWidths[least] + 1;
  }
  name_width_ = std::min(kWidestName, columns > taken ? columns - taken : 1);
}

std::string ProfileLayout::title() const { return join("operator", {"", "calls", "ms", "share", "GFLOP/s", "GB/s"}); }

std::string ProfileLayout::line(const std::string& direction, const Profile::Row& row, double all) const {
  const double time = std::max(row.nanoseconds, 1.0);
  return join(row.name, {direction, std::to_string(row.calls), number("%.3f", row.nanoseconds / 1e6),
                         number("%.1f%%", 100 * row.nanoseconds / std::max(all, 1.0)), number("%.1f", row.flop / time),
                         number("%.1f", row.bytes / time)});
}

std::string ProfileLayout::join(const std::string& name, const Cells& cells) const {
  std::string text = name.substr(0, name_width_);
  text.resize(name_width_, ' ');
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (!shown_[i]) {
      continue;
    }
    const std::string gap(kWidths[i] > cells[i].size() ? kWidths[i] - cells[i].size() : 0, ' ');
    text += ' ' + (i == kDirection ? cells[i] + gap : gap + cells[i]);
  }
  return text + '\n';
}

}  // namespace backflow::train
