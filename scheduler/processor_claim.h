// Which processors of the machine a daemon keeps to, agreed with the other daemons on it: each
// holds a file that names its processors, locked for as long as it lives, in a directory that all
// know. A lock goes with its process, however that ends. Processes that do not see each other's
// directory (containers) agree by cpusets and quotas instead. Before the first thread is started.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trainer/durable/descriptor.h"

namespace graft {

// The least loaded `count` of `allowed`, lower numbers first among equals, in rising order.
// `load`: how many others keep to a processor; none where it is not named.
std::vector<int> choose_processors(const std::vector<int>& allowed, const std::map<int, int>& load,
                                   int count);

// The directory that every daemon of this machine uses: below /run/lock where that is for
// everybody, else below the temporary directory.
std::filesystem::path shared_claims_directory();

class ProcessorClaim {
 public:
  // Chooses among `allowed` by what others in `directory` hold, and holds that. Never throws: where
  // the directory cannot be used the choice is made as if alone, and note() says why.
  ProcessorClaim(const std::filesystem::path& directory, const std::vector<int>& allowed,
                 int count);
  ~ProcessorClaim();
  ProcessorClaim(const ProcessorClaim&) = delete;
  ProcessorClaim& operator=(const ProcessorClaim&) = delete;

  const std::vector<int>& processors() const { return processors_; }
  // How many other daemons hold processors; for the log.
  int others() const { return others_; }
  // What could not be agreed; empty: nothing.
  const std::string& note() const { return note_; }

 private:
  void agree(const std::filesystem::path& directory, const std::vector<int>& allowed, int count);

  std::vector<int> processors_;
  int others_ = 0;
  std::string note_;
  std::filesystem::path path_;
  Descriptor file_;
};

}  // namespace graft
