#pragma once

#include <array>
#include <cstddef>
#include <string>

#include <backflow/train/views/profile.h>

namespace backflow::train {

/// The columns of a profile's table, as many as a line has room for.
class ProfileLayout {
 public:
  /// For lines of at most `columns`.
  explicit ProfileLayout(std::size_t columns);

  /// Each ends with a line break.
  std::string title() const;
  /// `direction`: "forward", "backward" or nothing. `all`: the time of all rows, ns.
  std::string line(const std::string& direction, const Profile::Row& row, double all) const;

 private:
  static constexpr std::size_t kColumns = 6;  ///< beside the name
  using Cells = std::array<std::string, kColumns>;

  std::string join(const std::string& name, const Cells& cells) const;

  std::array<bool, kColumns> shown_;
  std::size_t name_width_ = 0;
};

}  // namespace backflow::train
