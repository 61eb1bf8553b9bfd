// See config_backbones.h.
#include "services/config_backbones.h"

#include <filesystem>
#include <regex>
#include <set>

namespace graft {
namespace {

BackboneOption parse_backbone(const std::string& text) {
  static const std::regex allowed("[a-z0-9][a-z0-9._-]{0,63}");
  const std::size_t equals = text.find('=');
  if (equals == text.npos || equals + 1 == text.size()) {
    throw ConfigError("--backbone: '" + text + "' is not NAME=DIR, like minilm=/srv/minilm");
  }
  BackboneOption backbone{text.substr(0, equals), text.substr(equals + 1)};
  if (!std::regex_match(backbone.name, allowed)) {
    throw ConfigError("--backbone: the name '" + backbone.name +
                      "' may hold a-z, 0-9, dots, dashes and underscores only");
  }
  std::error_code error;
  if (!std::filesystem::is_directory(backbone.directory, error)) {
    throw ConfigError("--backbone " + backbone.name + ": " + backbone.directory.string() +
                      " is not a directory that can be read" +
                      (error ? ": " + error.message() : "."));
  }
  backbone.directory = std::filesystem::canonical(backbone.directory);
  return backbone;
}

}  // namespace

std::vector<BackboneOption> parse_backbones(const std::vector<std::string>& texts) {
  std::vector<BackboneOption> backbones;
  std::set<std::string> names;
  for (const std::string& text : texts) {
    backbones.push_back(parse_backbone(text));
    if (!names.insert(backbones.back().name).second) {
      throw ConfigError("--backbone: the name '" + backbones.back().name + "' is given twice");
    }
  }
  if (backbones.empty()) {
    throw ConfigError(
        "--backbone is missing: name at least one, like --backbone minilm=.deps/backbones/minilm "
        "(tools/setup puts one there)");
  }
  return backbones;
}

}  // namespace graft
