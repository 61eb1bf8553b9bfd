# Every third-party library, in one place. Debian 12 has them all but LibTorch.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
if(GRAFT_TESTS)
  find_package(doctest 2.4 REQUIRED)
endif()

if(GRAFT_TEXT OR GRAFT_WORKER)
  find_package(ICU 72 REQUIRED COMPONENTS uc i18n)
endif()
if(GRAFT_WORKER)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
endif()

if(GRAFT_WORKER OR GRAFT_FUZZ)
  # LibTorch: the user's own through CMAKE_PREFIX_PATH, else the wheel that tools/setup unpacked.
  # Linked directly, because the TorchConfig of a CUDA wheel asks for a CUDA toolkit.
  find_path(TORCH_INCLUDE_DIR torch/script.h HINTS ${CMAKE_PREFIX_PATH} ENV CMAKE_PREFIX_PATH
    PATHS ${CMAKE_SOURCE_DIR}/.deps/libtorch PATH_SUFFIXES include NO_DEFAULT_PATH REQUIRED)
  find_library(TORCH_CPU_LIBRARY torch_cpu HINTS ${TORCH_INCLUDE_DIR}/../lib NO_DEFAULT_PATH REQUIRED)
  find_library(TORCH_C10_LIBRARY c10 HINTS ${TORCH_INCLUDE_DIR}/../lib NO_DEFAULT_PATH REQUIRED)
  add_library(graft_libtorch INTERFACE)
  # LibTorch brings a newer fmt among its headers, which spdlog must not meet: the system's comes first.
  find_path(FMT_INCLUDE_DIR fmt/core.h PATHS /usr/include NO_CMAKE_PATH NO_CMAKE_ENVIRONMENT_PATH REQUIRED)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/system-fmt)
  file(CREATE_LINK ${FMT_INCLUDE_DIR}/fmt ${CMAKE_BINARY_DIR}/system-fmt/fmt SYMBOLIC)
  target_include_directories(graft_libtorch SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/system-fmt
    ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
  target_link_libraries(graft_libtorch INTERFACE ${TORCH_CPU_LIBRARY} ${TORCH_C10_LIBRARY} Threads::Threads)
  get_filename_component(torch_library_dir ${TORCH_CPU_LIBRARY} DIRECTORY)
  target_link_options(graft_libtorch INTERFACE -Wl,-rpath-link,${torch_library_dir})
endif()

add_library(graft_sqlite INTERFACE)
target_link_libraries(graft_sqlite INTERFACE SQLite::SQLite3)
