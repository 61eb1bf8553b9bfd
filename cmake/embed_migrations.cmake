# Turns migrations/*.sql into C++: cmake -DOUTPUT=FILE -DINPUTS=A;B -P embed_migrations.cmake
# Refuses gaps and repeated numbers, so that the schema's number is the number of migrations.
set(entries "")
set(expected 1)
foreach(input IN LISTS INPUTS)
  get_filename_component(name ${input} NAME_WE)
  if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+$")
    message(FATAL_ERROR "${input}: a migration is named NNNN_what_it_does.sql")
  endif()
  math(EXPR number "1${CMAKE_MATCH_1} - 10000")
  if(NOT number EQUAL expected)
    message(FATAL_ERROR "${input}: number ${expected} comes next")
  endif()
  math(EXPR expected "${expected} + 1")
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
