// spdlog does the work; a formatter of ours makes messages into JSON strings.
#include "services/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "services/http/message.h"

namespace graft {
namespace {

constexpr const char* access_logger = "access";
constexpr double slow_milliseconds = 1000;

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// %J: the message as a JSON string.
class JsonMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string quoted =
        json_quoted(std::string_view(message.payload.data(), message.payload.size()));
    out.append(quoted.data(), quoted.data() + quoted.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

std::unique_ptr<spdlog::formatter> formatter(const std::string& pattern) {
  auto made = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  made->add_flag<JsonMessage>('J').set_pattern(pattern);
  return made;
}

}  // namespace

void set_up_logging(LogFormat format, LogLevel level) {
  const bool json = format == LogFormat::json;
  const auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto main = std::make_shared<spdlog::logger>("graftd", sink);
  main->flush_on(spdlog::level::trace);
  main->set_level(level_of(level));
  spdlog::set_default_logger(main);
  // The access logger has the line made already; both write through one sink, so lines do not mix.
  const std::string time = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",)";
  main->set_formatter(json ? formatter(time + R"("message":%J})")
                           : formatter("%Y-%m-%dT%H:%M:%S.%eZ %l %v"));
  if (!json || spdlog::get(access_logger)) return;
  auto access = std::make_shared<spdlog::logger>(access_logger,
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  access->flush_on(spdlog::level::trace);
  access->set_level(level_of(level));
  access->set_formatter(formatter(time + "%v}"));
  spdlog::register_logger(access);
}

LogLevel access_level(const AccessRecord& record) {
  // What HTTP calls the server's lack, 501 and 505, strangers cause by asking strangely: as often
  // as they like, and it is no fault of the service.
  const bool callers_fault = record.status == 501 || record.status == 505;
  if (record.status >= 500 && !callers_fault) return LogLevel::warn;
  return record.milliseconds > slow_milliseconds ? LogLevel::info : LogLevel::debug;
}

void log_access(const AccessRecord& record, LogFormat format) {
  const auto level = level_of(access_level(record));
  // A request that could not be read has no method.
  const std::string& method = record.method.empty() ? std::string("-") : record.method;
  if (format == LogFormat::text) {
    spdlog::log(level, "{} {} {} {}B {:.1f}ms {} {}", method, record.path, record.status,
                record.bytes, record.milliseconds, record.request_id,
                record.customer.empty() ? "-" : record.customer);
    return;
  }
  spdlog::get(access_logger)
      ->log(
          level,
          R"("method":{},"path":{},"status":{},"bytes":{},"ms":{:.1f},"request_id":{},"customer":{})",
          json_quoted(method), json_quoted(record.path), record.status, record.bytes,
          record.milliseconds, json_quoted(record.request_id), json_quoted(record.customer));
}

std::string json_quoted(std::string_view text) {
  const bool valid = is_utf8(text);
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (byte < 0x20) {
      constexpr const char* digits = "0123456789abcdef";
      quoted.append("\\u00").push_back(digits[byte >> 4]);
      quoted.push_back(digits[byte & 15]);
    } else if (byte >= 0x80 && !valid) {
      quoted.push_back('?');
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace graft
