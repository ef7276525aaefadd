#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include <backflow/io/hdf5/hdf5_internal.h>

namespace backflow::io::detail {

/// The bytes of an HDF5 file, which HDF5 reads and writes through this object alone: it opens no file, and takes no
/// lock of the file system. Offsets count from the start of HDF5's part of a file, behind a user block. Must outlive
/// the Hdf5File.
class Hdf5Storage {
 public:
  Hdf5Storage() = default;
  virtual ~Hdf5Storage() = default;
  Hdf5Storage(const Hdf5Storage&) = delete;
  Hdf5Storage& operator=(const Hdf5Storage&) = delete;

  /// Throws Error when the bytes cannot be had.
  virtual void read(std::uint64_t offset, std::span<std::byte> to) = 0;
  virtual void write(std::uint64_t offset, std::span<const std::byte> from) = 0;

  /// Where the file ends.
  std::uint64_t size() const { return size_; }
  void set_size(std::uint64_t bytes) { size_ = bytes; }

  /// HDF5 cannot pass exceptions on: what read() and write() have thrown is kept, and thrown again here.
  void keep(std::exception_ptr error) {
    if (!error_) error_ = std::move(error);
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::uint64_t size_ = 0;
  std::exception_ptr error_;
};

/// A new file. HDF5 puts up to `structure_bytes` of what is no data next to each other at its start. Data of 64 KiB and
/// more start at multiples of 4096. `path` is for messages alone.
Hdf5File create_hdf5(Hdf5Storage& storage, std::uint64_t structure_bytes, const std::string& path);
/// An existing one, to be read.
Hdf5File open_hdf5(Hdf5Storage& storage, const std::string& path);

/// What HDF5 has written, in memory; all other bytes are 0 and take no memory. HDF5 1.10 crashes when the disk is full
/// while it writes its own structures: so these are kept here, and we write them, with errors that we can report. Data
/// that HDF5 does not write itself never pass through here.
class Hdf5MemoryStorage : public Hdf5Storage {
 public:
  void read(std::uint64_t offset, std::span<std::byte> to) override;
  void write(std::uint64_t offset, std::span<const std::byte> from) override;

  /// Calls `use` with all bytes that have been written up to size(), and zeros around them.
  void for_each_page(const std::function<void(std::uint64_t offset, std::span<const std::byte>)>& use) const;

 private:
  static constexpr std::uint64_t kPageBytes = 4096;
  using Page = std::array<std::byte, kPageBytes>;

  std::map<std::uint64_t, std::unique_ptr<Page>> pages_;
};

}  // namespace backflow::io::detail
