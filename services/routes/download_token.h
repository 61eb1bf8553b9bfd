// Signed, expiring links to one adapter version: "EXPIRES.CUSTOMER.HMAC". The HMAC-SHA256 covers
// customer, task, version and expiry, so a token opens that one download and nothing else. No
// state: any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/records.h"

namespace graft {

struct DownloadClaim {
  CustomerId customer = 0;
  std::string task_id;
  int version = 0;
  UnixTime expires_at = 0;
};

std::string sign_download(std::string_view key, const DownloadClaim& claim);

// What a token says of itself, unproven: customer and expires_at. nullopt: not a token.
std::optional<DownloadClaim> read_download_token(std::string_view token);

// Whether `token` is what sign_download makes of the claim. Does not look at the time.
bool verify_download_token(std::string_view key, std::string_view token,
                           const DownloadClaim& claim);

}  // namespace graft
