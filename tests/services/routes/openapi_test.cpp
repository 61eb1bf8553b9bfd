// docs/openapi.yaml and the route table agree, both ways. Reads the document line by line: its
// paths stand at two spaces, their methods at four.
#include <set>

#include "tests/services/route_fixture.h"
#include "trainer/contract/metrics.h"
#include "trainer/contract/specification.h"

namespace graft {
namespace {

// Served from the program's embedded files, not by a route of the rooms.
const std::set<std::string> embedded = {"GET /", "GET /openapi.json"};

struct Operation {
  std::string name;  // "GET /v1/files"
  std::string text;  // its lines, and those that all methods of its path share
};

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::vector<std::string> lines_of_document() {
  std::ifstream stream(std::string(GRAFT_SOURCE_DIR) + "/docs/openapi.yaml");
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  REQUIRE(lines.size() > 100);
  return lines;
}

std::vector<Operation> documented_operations() {
  std::vector<Operation> operations;
  bool in_paths = false, shared = false;
  std::string path, shared_text;
  for (const auto& line : lines_of_document()) {
    if (!line.empty() && line[0] != ' ' && line[0] != '#') in_paths = line == "paths:";
    if (!in_paths) continue;
    if (line.starts_with("  /")) {
      path = line.substr(2, line.size() - 3);
      shared_text.clear();
      shared = false;
    } else if (line.starts_with("    ") && line.size() > 5 && line[4] != ' ' &&
               line.back() == ':') {
      const auto word = line.substr(4, line.size() - 5);
      shared = word == "parameters";
      if (!shared) operations.push_back({upper(word) + " " + path, shared_text});
    } else if (shared) {
      shared_text += line + "\n";
    } else if (!operations.empty()) {
      operations.back().text += line + "\n";
    }
  }
  return operations;
}

}  // namespace

TEST_CASE("every route is documented and every documented operation is a route") {
  RouteFixture routes;
  std::set<std::string> served = embedded, documented;
  for (const auto& route : routes.router.routes())
    CHECK_MESSAGE(served.insert(route.method + " " + route.pattern).second, route.pattern);
  for (const auto& operation : documented_operations())
    CHECK_MESSAGE(documented.insert(operation.name).second, operation.name);
  for (const auto& name : served) CHECK_MESSAGE(documented.count(name), "not documented: " << name);
  for (const auto& name : documented) CHECK_MESSAGE(served.count(name), "no such route: " << name);
  CHECK(documented.size() > 25);
}

TEST_CASE("every operation documents its members, its id and what a missing key answers") {
  RouteFixture routes;
  for (const auto& route : routes.router.routes()) {
    const auto name = route.method + " " + route.pattern;
    CAPTURE(name);
    const auto operations = documented_operations();
    const auto found =
        std::find_if(operations.begin(), operations.end(),
                     [&](const Operation& operation) { return operation.name == name; });
    REQUIRE(found != operations.end());
    for (auto at = route.pattern.find('{'); at != std::string::npos;
         at = route.pattern.find('{', at + 1)) {
      const auto member = route.pattern.substr(at + 1, route.pattern.find('}', at) - at - 1);
      const bool named = found->text.find("parameters/" + member + "\"") != std::string::npos ||
                         found->text.find("name: " + member + "\n") != std::string::npos;
      CHECK_MESSAGE(named, member);
    }
    CHECK(found->text.find("operationId: ") != std::string::npos);
    CHECK(found->text.find("responses:") != std::string::npos);
    const bool open = found->text.find("security: []") != std::string::npos;
    const bool alias = found->text.find("*predict_responses") != std::string::npos;
    if (route.access == Access::customer) {
      CHECK_FALSE(open);
      CHECK((alias || found->text.find("\"401\"") != std::string::npos));
    }
  }
}

TEST_CASE("every status that a route can answer is documented") {
  RouteFixture routes;
  const auto operations = documented_operations();
  const auto answers = [&](const Route& route) {
    std::set<int> statuses = {400, 401, 403, 429, 500, 503};  // of server, keys and handlers alike
    if (route.pattern.find('{') != std::string::npos) statuses.insert(404);
    if (route.method == "POST" || route.method == "PUT") statuses.insert({413, 415});
    if (route.method != "GET") statuses.insert(507);
    if (route.pattern.ends_with("/predict")) statuses.insert({200, 504});
    if (route.pattern.ends_with("/adapter.zip")) statuses.insert({200, 206, 304, 416});
    return statuses;
  };
  std::string predictions;  // said once, for three routes
  for (const auto& operation : operations)
    if (operation.text.find("&predict_responses") != std::string::npos)
      predictions = operation.text;
  for (const auto& route : routes.router.routes()) {
    const auto name = route.method + " " + route.pattern;
    CAPTURE(name);
    if (!route.pattern.starts_with("/v1/")) continue;
    const auto found =
        std::find_if(operations.begin(), operations.end(),
                     [&](const Operation& operation) { return operation.name == name; });
    REQUIRE(found != operations.end());
    const bool shared = found->text.find("*predict_responses") != std::string::npos;
    const std::string& text = shared ? predictions : found->text;
    for (const int status : answers(route))
      CHECK_MESSAGE(text.find("\n        \"" + std::to_string(status) + "\":") != std::string::npos,
                    status);
  }
}

TEST_CASE("the documents say of each hyperparameter what its row in the table says") {
  std::ifstream yaml(std::string(GRAFT_SOURCE_DIR) + "/docs/openapi.yaml");
  std::ifstream page(std::string(GRAFT_SOURCE_DIR) + "/docs/api.md");
  std::stringstream document, tour;
  document << yaml.rdbuf();
  tour << page.rdbuf();
  const std::string text = document.str();
  const std::string job = text.substr(text.find("\n    Job:"));
  for (const Hyperparameter& entry : hyperparameters()) {
    CHECK_MESSAGE(text.find("description: \"" + sentence(entry) + "\"") != std::string::npos,
                  "docs/openapi.yaml lacks: " << std::string(entry.name) << ": \""
                                              << sentence(entry) << "\"");
    CHECK_MESSAGE(job.find(" " + std::string(entry.name) + ": {") != std::string::npos,
                  "docs/openapi.yaml, Job lacks " << std::string(entry.name));
    if (entry.place == Hyperparameter::Place::contract) continue;  // the page tells them in words
    CHECK_MESSAGE(tour.str().find("\n" + table_row(entry) + "\n") != std::string::npos,
                  "docs/api.md lacks: " << table_row(entry));
  }
}

TEST_CASE("the document says of each metric what its row in the table says") {
  std::string text;
  for (const auto& line : lines_of_document()) text += line + "\n";
  for (const Metric& row : metric_table()) {
    const std::string line = "        " + std::string(row.name) +
                             ": {type: number, description: \"" + std::string(row.doc) + ".\"}\n";
    CHECK_MESSAGE(text.find(line) != std::string::npos, "docs/openapi.yaml lacks:\n" << line);
  }
}

}  // namespace graft
