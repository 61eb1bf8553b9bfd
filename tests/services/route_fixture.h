// Routes over a real database and blob store in a scratch directory, called as the server calls
// them but without sockets: target taken apart, route matched, customer found, handler or sink run,
// HttpError made an answer.
#pragma once

#include <future>

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "services/auth.h"
#include "services/routes/routes.h"
#include "services/wire/answers.h"
#include "storage/adapters.h"
#include "storage/customers.h"
#include "storage/files.h"
#include "storage/jobs.h"
#include "storage/runs.h"
#include "storage/tasks.h"
#include "tests/support/scratch_directory.h"

namespace graft {

struct Answer {
  int status = 0;
  std::string body;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;

  nlohmann::json json() const { return nlohmann::json::parse(body); }
  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return "";
  }
};

using Headers = std::map<std::string, std::string, std::less<>>;

class RouteFixture {
 public:
  explicit RouteFixture(AuthMode mode = AuthMode::keys_required)
      : databases(scratch.path() / "graft.db"),
        blobs(scratch.path() / "blobs"),
        reserve(scratch.path() / "reserve"),
        backbones{{"minilm", scratch.path() / "minilm", summary(), 1700000000}},
        predict(scratch.path() / "predict.socket", std::chrono::seconds(60),
                std::chrono::milliseconds(0)),
        context{databases,
                blobs,
                reserve,
                backbones,
                predict,
                [this] { ++pokes; },
                [this] { return now; },
                mode == AuthMode::keys_required,
                "0.1.0"} {
    auto database = databases.checkout();
    acme = ensure_customer(*database, "acme", now);
    acme_key = create_api_key(*database, "acme", now).secret;
    rival_key = create_api_key(*database, "rival", now).secret;
    authenticate = make_authenticator(context, mode);
    add_routes(router, context, authenticate);
  }

  static BackboneSummary summary() {
    BackboneSummary sizes;
    sizes.sha256 = std::string(64, 'b');
    sizes.model_type = "bert";
    sizes.hidden_size = 384;
    sizes.layers = 6;
    sizes.heads = 12;
    sizes.vocabulary_size = 30522;
    sizes.max_positions = 512;
    return sizes;
  }

  // As customer acme, unless the headers say otherwise.
  Answer call(const std::string& method, const std::string& target, const std::string& body = "",
              Headers headers = {}) {
    try {
      const auto parts = parse_target(target);
      REQUIRE(parts);
      auto match = router.match(method, parts->raw_path);
      if (!match.route)
        throw HttpError(match.allowed_methods.empty() ? 404 : 405, "No such route.");
      Request request;
      request.method = method;
      request.path = parts->path;
      request.query = parts->query;
      request.path_members = match.path_members;
      request.headers = std::move(headers);
      if (!request.header("authorization")) request.headers["authorization"] = "Bearer " + acme_key;
      request.request_id = "req_test";
      if (match.route->access == Access::customer) {
        const auto customer = authenticate(request);
        if (!customer) throw HttpError(401, "Unauthorized.");
        request.customer = *customer;
      }
      check_query(*match.route, request);
      return answer(run(*match.route, request, body), method == "HEAD");
    } catch (const HttpError& error) {
      return {error.status, write_error(error), "application/json", error.headers};
    }
  }
  Answer call_as(const std::string& key, const std::string& method, const std::string& target,
                 const std::string& body = "") {
    return call(method, target, body, {{"authorization", "Bearer " + key}});
  }

  std::string add_file(const std::string& bytes, const std::string& name = "train.jsonl",
                       const std::string& purpose = "fine-tune") {
    auto database = databases.checkout();
    return insert_file(*database, {acme.id, blobs.put(bytes), name, purpose, std::nullopt}, now).id;
  }

  std::string add_job(const std::string& more = "") {
    const auto file = add_file("{\"text\": \"good\", \"label\": \"up\"}\n");
    const auto made = call("POST", "/v1/fine_tuning/jobs",
                           R"({"model": "minilm", "training_file": ")" + file + "\"" + more + "}");
    REQUIRE_MESSAGE(made.status == 200, made.body);
    return made.json()["id"];
  }

  // A version of `task` as a worker's success leaves it; `bundle` are the bytes of its zip.
  AdapterVersion add_version(const std::string& task, const std::string& bundle = "zip of bytes") {
    const std::string job_id = add_job(R"(, "task": ")" + task + "\"");
    auto database = databases.checkout();
    REQUIRE(enqueue_job(*database, job_id, now));
    const auto run = claim_next_job(*database, now);
    REQUIRE(run);
    NewAdapterVersion version;
    version.job_id = job_id;
    version.trial_id = list_trials(*database, job_id).front().id;
    version.backbone_sha256 = std::string(64, 'b');
    version.bundle = blobs.put(bundle);
    version.labels = {"down", "up"};
    version.metrics = R"({"best_epoch":2,"valid_accuracy":0.5})";
    version.trained_tokens = 123;
    auto made = publish_version(*database, version, now);
    REQUIRE(made);
    end_run(*database, run->id, "finished", now);
    return *made;
  }

  ScratchDirectory scratch;
  DatabasePool databases;
  BlobStore blobs;
  DiskReserve reserve;
  std::vector<BackboneInfo> backbones;
  PredictClient predict;
  UnixTime now = 1'800'000'000;
  int pokes = 0;
  ServiceContext context;
  Customer acme;
  std::string acme_key, rival_key;
  Authenticator authenticate;
  Router router;

 private:
  static Response run(const Route& route, Request& request, const std::string& body) {
    if (route.deferred) {
      request.body = body;
      std::promise<Response> promise;
      route.deferred(request, Responder([&](std::exception_ptr error, Response response) {
                       if (error) return promise.set_exception(error);
                       promise.set_value(std::move(response));
                     }));
      return promise.get_future().get();
    }
    if (!route.upload) {
      request.body = body;
      return route.handler(request);
    }
    const auto sink = route.upload(request);
    constexpr std::size_t piece = 7;  // small: boundaries fall everywhere
    for (std::size_t at = 0; at < body.size(); at += piece)
      sink->write(std::as_bytes(std::span(body).subspan(at, std::min(piece, body.size() - at))));
    return sink->finish();
  }

  static Answer answer(const Response& response, bool is_head) {
    Answer result{response.status, "", response.content_type, response.headers};
    if (const auto* text = std::get_if<std::string>(&response.body)) {
      result.body = *text;
      return result;
    }
    const auto& file = std::get<FileBody>(response.body);
    std::ifstream stream(file.path, std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(file.offset));
    result.body.resize(is_head ? 0 : file.length);
    stream.read(result.body.data(), static_cast<std::streamsize>(result.body.size()));
    CHECK(static_cast<std::size_t>(stream.gcount()) == result.body.size());
    return result;
  }
};

// The error of an answer, its status checked.
inline nlohmann::json error_of(const Answer& answer, int status) {
  CHECK_MESSAGE(answer.status == status, answer.body);
  const auto body = answer.json();
  REQUIRE_MESSAGE(body.contains("error"), answer.body);
  for (const char* member : {"message", "type", "param", "code"})
    CHECK(body["error"].contains(member));
  return body["error"];
}

}  // namespace graft
