// Whether the worker program can compute with a backbone, asked of the program itself when the
// daemon starts, so that an unfit directory is found once and not by each job in turn. May be
// called from any thread; blocks until the program has answered or its time is over.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace graft {

struct BackboneCheck {
  enum class Outcome {
    sound,
    refused,      // reason: a sentence about the backbone
    not_checked,  // reason: what is wrong with the program, which says nothing of the backbone
  };
  Outcome outcome = Outcome::sound;
  std::string reason;
};

// Runs `worker_program check directory`. `output` is a file of the caller's that the program's
// words go to; it is removed.
BackboneCheck check_backbone(const std::filesystem::path& worker_program,
                             const std::filesystem::path& directory,
                             const std::filesystem::path& output,
                             std::chrono::milliseconds limit = std::chrono::seconds(30));

}  // namespace graft
