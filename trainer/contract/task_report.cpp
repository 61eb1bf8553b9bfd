#include "trainer/contract/task_report.h"

#include "trainer/contract/task_report_members.h"

namespace graft {

std::string write_task_report(const TaskReport& report) {
  return dump_json(write_object(report));
}

TaskReport parse_task_report(std::string_view text) {
  return read_object<TaskReport>(parse_json(text));
}

}  // namespace graft
