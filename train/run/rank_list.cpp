#include <backflow/train/run/rank_list.h>

#include <cstddef>

#include <backflow/runtime/base/error.h>

namespace backflow::train {

namespace {

/// The last of the numbers from the i-th on that follow each other at this distance.
std::size_t end_of_run(const std::vector<int>& numbers, std::size_t i, int step) {
  while (i + 1 < numbers.size() && numbers[i + 1] == numbers[i] + step) {
    ++i;
  }
  return i;
}

}  // namespace

std::string number_list(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    const std::size_t last = end_of_run(numbers, i, 1);
    text += to_text(text.empty() ? "" : ",", numbers[i]);
    if (last > i) {
      text += to_text('-', numbers[last]);
    }
    i = last + 1;
  }
  return text;
}

std::string core_list(const std::vector<int>& cores) {
  constexpr std::size_t kWorthAStep = 3;
  std::string text;
  std::vector<int> rest;
  const auto flush = [&] {
    text += (text.empty() || rest.empty() ? "" : ",") + number_list(rest);
    rest.clear();
  };
  for (std::size_t i = 0; i < cores.size();) {
    const int step = i + 1 < cores.size() ? cores[i + 1] - cores[i] : 1;
    const std::size_t last = end_of_run(cores, i, step);
    if (step > 1 && last - i + 1 >= kWorthAStep) {
      flush();
      text += to_text(text.empty() ? "" : ",", cores[i], '-', cores[last], ':', step);
      i = last + 1;
    } else {
      const std::size_t end = step == 1 ? last + 1 : i + 1;
      rest.insert(rest.end(), cores.begin() + static_cast<std::ptrdiff_t>(i),
                  cores.begin() + static_cast<std::ptrdiff_t>(end));
      i = end;
    }
  }
  flush();
  return text;
}

std::string rank_list(const std::vector<int>& ranks) {
  return (ranks.size() == 1 ? "rank " : "ranks ") + number_list(ranks);
}

}  // namespace backflow::train
