#include <backflow/tests/support/lines.h>

namespace backflow::test {
namespace {

std::size_t wrapped(std::int64_t dim, std::size_t rank) {
  return static_cast<std::size_t>(dim < 0 ? dim + static_cast<std::int64_t>(rank) : dim);
}

}  // namespace

Array reduce_lines(const Array& x, const Index& dims, bool keepdim, const std::function<double(const Line&)>& f) {
  const std::size_t rank = x.sizes.size();
  std::vector<bool> gone(rank, dims.empty());
  for (const std::int64_t d : dims) {
    if (rank > 0) {
      gone[wrapped(d, rank)] = true;
    }
  }
  Index kept;
  Index result;
  for (std::size_t d = 0; d < rank; ++d) {
    kept.push_back(gone[d] ? 1 : x.sizes[d]);
    if (!gone[d] || keepdim) {
      result.push_back(kept.back());
    }
  }
  Array y = array_of(kept);
  std::vector<Line> lines(y.data.size());
  Array number = array_of(kept);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    number.data[i] = static_cast<double>(i);
  }
  for_each_index(x.sizes, [&](Index index) {
    const double v = x.at(index);
    for (std::size_t d = 0; d < rank; ++d) {
      index[d] = gone[d] ? 0 : index[d];
    }
    lines[static_cast<std::size_t>(number.at(index))].push_back(v);
  });
  for (std::size_t i = 0; i < lines.size(); ++i) {
    y.data[i] = f(lines[i]);
  }
  y.sizes = result;
  return y;
}

Array map_lines(const Array& x, std::int64_t dim, const std::function<Line(const Line&)>& f) {
  return map_lines(x, x, dim, [&](const Line& line, const Line&) { return f(line); });
}

Array map_lines(const Array& x, const Array& w, std::int64_t dim,
                const std::function<Line(const Line&, const Line&)>& f) {
  if (x.sizes.empty()) {
    return {{}, f(x.data, w.data)};
  }
  const std::size_t d = wrapped(dim, x.sizes.size());
  const auto line_at = [d](const Array& a, Index index) {
    Line line;
    for (std::int64_t k = 0; k < a.sizes[d]; ++k) {
      index[d] = k;
      line.push_back(a.at(index));
    }
    return line;
  };
  Index starts = x.sizes;
  starts[d] = 1;
  Index sizes = x.sizes;
  sizes[d] = static_cast<std::int64_t>(
      f(Line(static_cast<std::size_t>(x.sizes[d])), Line(static_cast<std::size_t>(w.sizes[d]))).size());
  Array y = array_of(sizes);
  for_each_index(starts, [&](Index index) {
    const Line result = f(line_at(x, index), line_at(w, index));
    for (const double v : result) {
      y.at(index) = v;
      ++index[d];
    }
  });
  return y;
}

}  // namespace backflow::test
