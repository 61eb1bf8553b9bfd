// Download tokens: nothing that was not signed opens anything.
#include "services/routes/download_token.h"
#include "tests/fuzz/fuzz_target.h"

GRAFT_FUZZ_TARGET(download_token) {
  using namespace graft;
  const auto claim = read_download_token(input);
  if (!claim) return;
  fuzz::hold(claim->expires_at >= 0 && claim->customer >= 0, "claims are not negative");
  DownloadClaim wanted = *claim;
  wanted.task_id = "task_1";
  wanted.version = 1;
  fuzz::hold(!verify_download_token("secret", input, wanted), "a token made without the key");
  const std::string token = sign_download("secret", wanted);
  fuzz::hold(verify_download_token("secret", token, wanted), "a signed token opens its download");
  const auto said = read_download_token(token);
  fuzz::hold(said && said->expires_at == wanted.expires_at && said->customer == wanted.customer,
             "a token says what was signed");
}
