#include <backflow/train/run/rank_list.h>

#include <cstddef>

#include <backflow/runtime/base/error.h>

namespace backflow::train {

std::string number_list(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) {
      ++last;
    }
    text += to_text(text.empty() ? "" : ",", numbers[i]);
    if (last > i) {
      text += to_text('-', numbers[last]);
    }
    i = last + 1;
  }
  return text;
}

std::string rank_list(const std::vector<int>& ranks) {
  return (ranks.size() == 1 ? "rank " : "ranks ") + number_list(ranks);
}

}  // namespace backflow::train
