// Bodies of POST /v1/fine_tuning/jobs: refused with 400 or read into values within their ranges.
#include <cmath>

#include "services/http/router.h"
#include "services/wire/jobs.h"
#include "tests/fuzz/fuzz_target.h"

GRAFT_FUZZ_TARGET(job_json) {
  using namespace graft;
  using fuzz::hold;
  static const std::vector<BackboneInfo> backbones = [] {
    BackboneSummary sizes;
    sizes.sha256 = std::string(64, 'b');
    sizes.model_type = "bert";
    sizes.hidden_size = 384;
    sizes.layers = 6;
    sizes.heads = 12;
    sizes.vocabulary_size = 30522;
    sizes.max_positions = 512;
    return std::vector<BackboneInfo>{{"minilm", "/models/minilm", sizes, 1700000000}};
  }();
  try {
    const JobRequest job = parse_job_request(input, backbones);
    hold(job.backbone == &backbones.front(), "a known backbone");
    hold(!job.training_file.empty(), "a training file");
  } catch (const HttpError& error) {
    hold(error.status == 400 || error.status == 404, "status " + std::to_string(error.status));
    hold(is_utf8(error.what()), "a refusal is UTF-8");
  }
}
