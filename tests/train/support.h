#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace backflow::test {

/// A directory of its own that is removed in the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "backflow-train-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// Writes an IDX file of unsigned bytes.
inline void write_idx(const std::string& path, const std::vector<std::uint32_t>& sizes,
                      const std::vector<std::uint8_t>& data) {
  std::ofstream out(path, std::ios::binary);
  const char magic[] = {0, 0, 8, static_cast<char>(sizes.size())};
  out.write(magic, sizeof magic);
  for (const std::uint32_t size : sizes) {
    const char bytes[] = {static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                          static_cast<char>(size)};
    out.write(bytes, sizeof bytes);
  }
  out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
}

}  // namespace backflow::test
