# graft_target(NAME): warnings, sanitizers and include root that every target of ours has.
function(graft_target name)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
    -Wold-style-cast -Woverloaded-virtual -Wno-missing-field-initializers)
  if(GRAFT_SANITIZE)
    # A finding of the undefined-behaviour sanitizer ends the program, like the others'.
    target_compile_options(${name} PUBLIC -fsanitize=${GRAFT_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      # clang 14 cannot emit this check's data beside coroutines.
      target_compile_options(${name} PUBLIC -fno-sanitize=function)
    endif()
    target_link_options(${name} PUBLIC -fsanitize=${GRAFT_SANITIZE})
  endif()
endfunction()

# graft_tests(ROOM SOURCES...): one doctest program a room, registered with ctest.
function(graft_tests room)
  add_executable(${room}_tests ${ARGN} ${CMAKE_SOURCE_DIR}/tests/support/doctest_main.cpp)
  graft_target(${room}_tests)
  target_link_libraries(${room}_tests PRIVATE doctest::doctest)
  if(TARGET graft_${room})
    target_link_libraries(${room}_tests PRIVATE graft_${room})
  endif()
  target_compile_definitions(${room}_tests PRIVATE GRAFT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${room} COMMAND ${room}_tests)
endfunction()
