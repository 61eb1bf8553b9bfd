#include "services/routes/download_token.h"

#include "trainer/durable/plain_text.h"
#include "trainer/durable/sha256.h"

namespace graft {

std::string sign_download(std::string_view key, const DownloadClaim& claim) {
  // Ids hold no newline, so no two claims have one text.
  const std::string signed_text = "adapter.zip\n" + std::to_string(claim.customer) + "\n" +
                                  claim.task_id + "\n" + std::to_string(claim.version) + "\n" +
                                  std::to_string(claim.expires_at);
  return std::to_string(claim.expires_at) + "." + std::to_string(claim.customer) + "." +
         hmac_sha256_hex(key, signed_text);
}

std::optional<DownloadClaim> read_download_token(std::string_view token) {
  const auto first = token.find('.');
  if (first == token.npos) return std::nullopt;
  const auto second = token.find('.', first + 1);
  if (second == token.npos) return std::nullopt;
  const auto expires_at = whole_number(token.substr(0, first));
  const auto customer = whole_number(token.substr(first + 1, second - first - 1));
  if (!expires_at || !customer || *expires_at < 0 || *customer < 0) return std::nullopt;
  DownloadClaim claim;
  claim.customer = *customer;
  claim.expires_at = *expires_at;
  return claim;
}

bool verify_download_token(std::string_view key, std::string_view token,
                           const DownloadClaim& claim) {
  return equal_in_constant_time(token, sign_download(key, claim));
}

}  // namespace graft
