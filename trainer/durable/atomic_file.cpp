// See atomic_file.h.
#include "trainer/durable/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "trainer/durable/descriptor.h"

namespace graft {

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                           Durability durability) {
  std::filesystem::path part = path;
  part += ".part";
  try {
    const Descriptor file = open_file(part, O_WRONLY | O_CREAT | O_TRUNC);
    write_all(file, bytes, path.filename());
    if (durability == Durability::synced) sync_file(file, path.filename());
    if (::rename(part.c_str(), path.c_str()) != 0) throw_errno("cannot rename " + part.string());
  } catch (...) {
    ::unlink(part.c_str());
    throw;
  }
  if (durability == Durability::synced) sync_directory(path.parent_path());
}

}  // namespace graft
