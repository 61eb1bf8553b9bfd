# Turns migrations/*.sql into C++: cmake -DOUTPUT=FILE -DINPUTS=A;B -P embed_migrations.cmake
# Refuses numbers that do not rise: the schema's number is that of the last migration.
set(entries "")
set(last 0)
foreach(input IN LISTS INPUTS)
  get_filename_component(name ${input} NAME_WE)
  if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+$")
    message(FATAL_ERROR "${input}: a migration is named NNNN_what_it_does.sql")
  endif()
  math(EXPR number "1${CMAKE_MATCH_1} - 10000")
  if(NOT number GREATER last)
    message(FATAL_ERROR "${input}: a number above ${last} comes next")
  endif()
  set(last ${number})
  # Bytes, because quotes, semicolons and brackets all mean something to CMake.
  file(READ ${input} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND arrays "constexpr char bytes_${number}[] = {${bytes}};\n")
  set(view "{bytes_${number}, sizeof bytes_${number}}")
  string(APPEND entries "    {${number}, \"${name}\", ${view}},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from migrations/ at build time.
#include \"storage/migrate.h\"

namespace graft {
namespace {
${arrays}
constexpr Migration migrations[] = {
${entries}};
}  // namespace

std::span<const Migration> embedded_migrations() { return migrations; }

}  // namespace graft
")
