// The functions of nn/archive that know files.
#include <istream>
#include <iterator>
#include <ostream>
#include <span>

#include <backflow/exchange/safetensors.h>
#include <backflow/exchange/torch/torch_file.h>
#include <backflow/nn/archive/input_archive.h>
#include <backflow/nn/archive/output_archive.h>
#include <backflow/serialize/file_contents_internal.h>
#include <backflow/serialize/torch_form_internal.h>
#if BACKFLOW_WITH_HDF5
#include <backflow/io/tensor_file.h>
#endif

namespace backflow::serialize {
namespace {

using io::TensorFormat;

/// That of the extension, safetensors for any other name.
TensorFormat format_to_write(const std::string& path) {
  return io::has_format_of_name(path) ? io::format_of_name(path) : TensorFormat::Safetensors;
}

void write_hdf5(const std::string& path, const FileContents& contents) {
#if BACKFLOW_WITH_HDF5
  io::write_tensors(path, contents.tensors, contents.metadata);
#else
  io::write_without_hdf5(path, contents.tensors, contents.metadata);  // which says what is needed
#endif
}

Contents read_file(const io::InputFile& file, bool has_path) {
  const std::string& source = file.path();
  switch (io::format_of_file(file)) {
    case TensorFormat::Torch:
      return decode_torch(io::read_torch_values(file), source);
    case TensorFormat::Hdf5:
      check(has_path, source, ": an HDF5 file: need its path");
#if BACKFLOW_WITH_HDF5
      return decode(io::read_tensor_file(source), source);
#endif
    case TensorFormat::Npy: {
      io::TensorFile array = io::read_without_hdf5(file);
      array.tensors.front().first = "0";  // as of any tensor that is saved alone
      return decode(std::move(array), source);
    }
    default:
      return decode(io::read_without_hdf5(file), source);
  }
}

}  // namespace

void OutputArchive::save_to(const std::string& filename) {
  const FileContents contents = encode(contents_);
  switch (format_to_write(filename)) {
    case TensorFormat::Torch:
      return io::write_torch_value(filename, torch_form(contents_), contents.metadata);
    case TensorFormat::Hdf5:
      return write_hdf5(filename, contents);
    case TensorFormat::Safetensors:
      return io::write_safetensors(filename, contents.tensors, contents.metadata);
    default:
      for (const auto& [name, value] : contents_.values) {
        check(!value.isString(), filename, ": '", name,
              "' is text: need a format that has a place for it; hint: ", ".safetensors");
      }
      io::write_without_hdf5(filename, contents.tensors);
  }
}

void OutputArchive::save_to(std::ostream& stream) {
  save_to([&](const void* data, std::size_t bytes) {
    stream.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
    return stream ? bytes : 0;
  });
  stream.flush();
  check(stream.good(), "save: the stream failed: need one that takes all bytes");
}

void OutputArchive::save_to(const std::function<std::size_t(const void* data, std::size_t bytes)>& writer) {
  const FileContents contents = encode(contents_);
  const auto write = [&](const void* data, std::size_t bytes) {
    const std::size_t written = writer(data, bytes);
    check(written == bytes, "save: ", written, " of ", bytes, " bytes were taken: need all");
  };
  io::write_safetensors(write, "save", contents.tensors, contents.metadata);
}

void InputArchive::load_from(const std::string& filename, std::optional<Device>) {
  *this = InputArchive(read_file(io::InputFile(filename), true));
}

void InputArchive::load_from(std::istream& stream, std::optional<Device> device) {
  check(stream.good(), "load: the stream cannot be read: need one that is open");
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  check(!stream.bad(), "load: the stream failed: need one that gives all bytes");
  load_from(bytes.data(), bytes.size(), device);
}

void InputArchive::load_from(const char* data, std::size_t size, std::optional<Device>) {
  const io::InputFile file(std::as_bytes(std::span(data, size)), "load: a stream");
  *this = InputArchive(read_file(file, false));
}

void InputArchive::load_from(
    const std::function<std::size_t(std::uint64_t position, void* data, std::size_t bytes)>& read_func,
    const std::function<std::size_t()>& size_func, std::optional<Device> device) {
  std::string bytes(size_func(), '\0');
  const std::size_t read = read_func(0, bytes.data(), bytes.size());
  check(read == bytes.size(), "load: ", read, " of ", bytes.size(), " bytes were given: need all");
  load_from(bytes.data(), bytes.size(), device);
}

}  // namespace backflow::serialize
