#include "services/wire/files.h"

#include "services/wire/json.h"

namespace graft {

namespace {

Json file_object(const File& file) {
  return {{"id", file.id},
          {"object", "file"},
          {"bytes", file.bytes},
          {"created_at", file.created_at},
          {"expires_at", json_or_null(file.expires_at)},
          {"filename", file.filename},
          {"purpose", file.purpose},
          {"status", "processed"},  // nothing is done to a file after its upload
          {"status_details", nullptr},
          {"sha256", file.sha256}};
}

Json model_object(const BackboneInfo& backbone) {
  return {{"id", backbone.name},
          {"object", "model"},
          {"created", backbone.created_at},
          {"owned_by", "graft"},
          {"backbone_sha256", backbone.summary.sha256},
          {"layers", backbone.summary.layers},
          {"hidden_size", backbone.summary.hidden_size},
          {"max_positions", backbone.summary.max_positions}};
}

Json model_object(const AdapterVersion& version, std::string_view owner) {
  return {{"id", version.model_id},
          {"object", "model"},
          {"created", version.created_at},
          {"owned_by", std::string(owner)},
          {"task", version.task_name},
          {"version", version.number},
          {"backbone", version.backbone_name},
          {"backbone_sha256", version.backbone_sha256}};
}

}  // namespace

std::string write_file(const File& file) {
  return dump(file_object(file));
}

std::string write_file_list(const Page<File>& page) {
  Json items = Json::array();
  for (const auto& file : page.items) items.push_back(file_object(file));
  return dump(list_of(std::move(items), page.has_more));
}

std::string write_model(const BackboneInfo& backbone) {
  return dump(model_object(backbone));
}

std::string write_model(const AdapterVersion& version, std::string_view owner) {
  return dump(model_object(version, owner));
}

std::string write_model_list(const std::vector<BackboneInfo>& backbones,
                             const Page<AdapterVersion>& versions, std::string_view owner) {
  Json items = Json::array();
  for (const auto& backbone : backbones) items.push_back(model_object(backbone));
  for (const auto& version : versions.items) items.push_back(model_object(version, owner));
  return dump(list_of(std::move(items), versions.has_more));
}

}  // namespace graft
