#include <backflow/io/nearest.h>

#include <algorithm>

namespace backflow::io {
namespace {

std::string lower_case(std::string_view word) {
  std::string result(word);
  for (char& c : result) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

/// Insertions, deletions, replacements and swaps of neighbours (Damerau 1964, Wagner & Fischer 1974).
std::size_t distance_of(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& choices) {
  constexpr std::size_t kLongestWord = 200;
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, std::min<std::size_t>(word.size() / 3 + 1, 4)) + 1;
  for (const std::string& choice : choices) {
    if (word.size() > kLongestWord || choice.size() > kLongestWord) continue;
    const std::size_t distance = distance_of(lower_case(word), lower_case(choice));
    // A word with nothing in common is no hint, however short.
    if (distance < best_distance && distance < std::max(word.size(), choice.size())) {
      best_distance = distance;
      best = choice;
    }
  }
  return best;
}

}  // namespace backflow::io
