#include <backflow/exchange/tensor_format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <backflow/exchange/npy.h>
#include <backflow/exchange/safetensors.h>
#include <backflow/exchange/torch/torch_file.h>
#include <backflow/exchange/torch/torch_names_internal.h>

namespace backflow::io {
namespace {

struct FormatInfo {
  TensorFormat format;
  std::string_view name;
  std::string_view extension;
};

constexpr std::array<FormatInfo, 7> kFormats{{{TensorFormat::Hdf5, "an HDF5 file", ".h5"},
                                              {TensorFormat::Hdf5, "an HDF5 file", ".hdf5"},
                                              {TensorFormat::Safetensors, "a safetensors file", ".safetensors"},
                                              {TensorFormat::Npz, "a NumPy archive", ".npz"},
                                              {TensorFormat::Npy, "a NumPy array", ".npy"},
                                              {TensorFormat::Torch, "a file of torch.save()", ".pt"},
                                              {TensorFormat::Torch, "a file of torch.save()", ".pth"}}};
constexpr std::string_view kExtensions = ".h5, .safetensors, .npz, .npy, .pt or .pth";

const FormatInfo& info(TensorFormat format) {
  return *std::find_if(kFormats.begin(), kFormats.end(), [&](const FormatInfo& x) { return x.format == format; });
}

std::optional<TensorFormat> format_of_extension(const std::string& path) {
  for (const FormatInfo& known : kFormats) {
    if (path.ends_with(known.extension)) return known.format;
  }
  return {};
}

constexpr std::string_view kZipStart("PK\x03\x04", 4);
constexpr std::string_view kEmptyZip("PK\x05\x06", 4);

/// The format that the bytes are of, if that is certain.
std::optional<TensorFormat> format_of_bytes(const InputFile& file) {
  const std::string start = file.text_at(0, 512);
  const auto starts = [&](std::string_view magic) { return std::string_view(start).starts_with(magic); };
  constexpr std::string_view kHdf5("\x89HDF\r\n\x1a\n", 8);
  for (const std::uint64_t offset : {0, 512, 1024, 2048}) {  // HDF5 allows a block of the user's before it
    if (file.text_at(offset, kHdf5.size()) == kHdf5) return TensorFormat::Hdf5;
  }
  if (starts("\x93NUMPY")) return TensorFormat::Npy;
  if (starts(detail::kOldTorchMagic)) return TensorFormat::Torch;
  if (starts(kZipStart)) {
    constexpr std::size_t kNameLength = 26;
    constexpr std::size_t kName = 30;
    if (start.size() < kName) return {};
    const auto length = static_cast<unsigned char>(start[kNameLength]) + 256U * static_cast<unsigned char>(start[27]);
    const std::string name = start.substr(kName, length);
    if (name.ends_with("/data.pkl")) return TensorFormat::Torch;
    if (name.ends_with(".npy")) return TensorFormat::Npz;
  }
  if (start.size() > 9 && start[8] == '{') {
    std::uint64_t length = 0;
    std::memcpy(&length, start.data(), sizeof length);
    if (length <= file.size() - sizeof length) return TensorFormat::Safetensors;
  }
  return {};
}

/// What other files start with, for messages.
std::string seems_to_be(const InputFile& file) {
  const std::string start = file.text_at(0, 16);
  if (start.empty()) return "is empty";
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kKnown{
      {{kZipStart, "a zip archive"},
       {"\x1f\x8b", "compressed with gzip"},
       {"\x80", "a pickle of Python, which could run code when read"},
       {"\x89PNG", "a PNG image"},
       {"\xff\xd8\xff", "a JPEG image"},
       {"%PDF", "a PDF document"},
       {"\x7f"
        "ELF",
        "a program"},
       {"version https://", "a pointer of Git LFS, not the file itself"},
       {"<", "a web page or XML"}}};
  for (const auto& [magic, what] : kKnown) {
    if (std::string_view(start).starts_with(magic)) return "seems to be " + std::string(what);
  }
  const bool is_text = std::all_of(start.begin(), start.end(),
                                   [](unsigned char c) { return c >= ' ' || c == '\n' || c == '\r' || c == '\t'; });
  return is_text ? "seems to be text" : "is of an unknown format";
}

[[noreturn]] void fail_hdf5(const std::string& path) {
  fail(path, ": an HDF5 file: need a build with HDF5 (BACKFLOW_WITH_HDF5); hint: .safetensors needs none");
}

}  // namespace

std::string_view name(TensorFormat format) { return info(format).extension.substr(1); }

TensorFormat format_of_name(const std::string& path) {
  const std::optional<TensorFormat> format = format_of_extension(path);
  check(format.has_value(), path, ": unknown extension: need a name that ends with ", kExtensions);
  return *format;
}

bool has_format_of_name(const std::string& path) { return format_of_extension(path).has_value(); }

TensorFormat format_of_file(const InputFile& file) {
  const std::string& path = file.path();
  const std::optional<TensorFormat> by_name = format_of_extension(path);
  const std::optional<TensorFormat> by_bytes = format_of_bytes(file);
  if (by_name && by_bytes && *by_name != *by_bytes) {
    fail(path, ": seems to be ", info(*by_bytes).name, ": need ", info(*by_name).name, "; hint: rename it to *",
         info(*by_bytes).extension);
  }
  if (by_bytes) return *by_bytes;
  // A reader knows best what is wrong with a file that starts as its own do, or with a dump.
  const std::string start = file.text_at(0, kZipStart.size());
  const bool is_zip = start == kZipStart || start == kEmptyZip;
  const bool by_reader =
      by_name == TensorFormat::Hdf5 || (is_zip && (by_name == TensorFormat::Npz || by_name == TensorFormat::Torch));
  if (by_reader) return *by_name;
  fail(path, ": ", seems_to_be(file), ": need ", by_name ? std::string(info(*by_name).name) : "a file of tensors, as ",
       by_name ? "" : std::string(kExtensions));
}

TensorFormat format_of_file(const std::string& path) { return format_of_file(InputFile(path)); }

TensorFile read_without_hdf5(const InputFile& file, const ReadOptions& options) {
  const std::string& path = file.path();
  const TensorFormat format = format_of_file(file);
  check(options.key.empty() || format == TensorFormat::Torch, path, ": --key '", options.key,
        "' for a file without dictionaries: need one of torch.save()");
  switch (format) {
    case TensorFormat::Hdf5:
      fail_hdf5(path);
    case TensorFormat::Safetensors:
      return read_safetensors(file, options.access);
    case TensorFormat::Npz:
      return read_npz(file);
    case TensorFormat::Torch:
      return read_torch(file, options.key);
    case TensorFormat::Npy:
      break;
  }
  FileStream stream(file);
  const NpyHeader header = read_npy_header(stream);
  const std::size_t slash = path.rfind('/');
  const std::string last = slash == std::string::npos ? path : path.substr(slash + 1);
  TensorFile result;
  result.tensors.emplace_back(last.substr(0, last.rfind('.')), read_npy_data(stream, header));
  result.types.push_back(header.type);
  return result;
}

void write_without_hdf5(const std::string& path, const NamedTensors& tensors,
                        const std::map<std::string, std::string>& metadata, const WriteOptions& options) {
  switch (format_of_name(path)) {
    case TensorFormat::Hdf5:
      fail_hdf5(path);
    case TensorFormat::Safetensors:
      return write_safetensors(path, tensors, metadata, options.floating_point);
    case TensorFormat::Npz:
      return write_npz(path, tensors, options.floating_point);
    case TensorFormat::Torch:
      return write_torch(path, tensors, metadata, options.floating_point);
    case TensorFormat::Npy:
      break;
  }
  check(tensors.size() == 1, path, ": ", tensors.size(),
        " tensors: need one for a .npy file; hint: .npz holds several");
  write_npy(path, tensors.front().second, options.floating_point);
}

}  // namespace backflow::io
