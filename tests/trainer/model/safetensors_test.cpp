// The safetensors reader refuses whatever is not exactly a safetensors file.
#include "trainer/model/safetensors.h"

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <cstring>

namespace graft {
namespace {

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t size = header.size();
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return bytes + header + data;
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

const std::string one_float = entry("F32", "[1]", "[0,4]");

std::string reason(const std::string& bytes) {
  try {
    read_safetensors(bytes);
  } catch (const SafetensorsError& error) {
    return error.what();
  }
  return "accepted";
}

bool says(const std::string& bytes, const std::string& part) {
  const std::string text = reason(bytes);
  CAPTURE(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("tensors survive a round trip, and the same tensors give the same bytes") {
  const at::Tensor a = torch::randn({3, 4}), b = torch::randn({5}), none = torch::zeros({0, 2});
  const std::string bytes = write_safetensors({{"b", b}, {"a", a}, {"none", none}});
  CHECK(bytes == write_safetensors({{"a", a}, {"none", none}, {"b", b}}));
  const Safetensors file = read_safetensors(bytes);
  CHECK(file.metadata.at("format") == "pt");
  CHECK(at::equal(float_tensor(file.tensors.at("a")), a));
  CHECK(at::equal(float_tensor(file.tensors.at("b")), b));
  CHECK(at::equal(float_tensor(file.tensors.at("none")), none));
}

TEST_CASE("aligned float32 is a view, other float types become float32, integers are refused") {
  const at::Tensor half = torch::tensor({1.5f, -2.0f}).to(at::kHalf);
  const std::string data(static_cast<const char*>(half.const_data_ptr()), 4);
  const std::string bytes = file_of("{\"x\":" + entry("F16", "[2]", "[0,4]") + "}", data);
  CHECK(at::equal(float_tensor(read_safetensors(bytes).tensors.at("x")),
                  torch::tensor({1.5f, -2.0f})));
  const std::string whole = file_of("{\"x\":" + entry("I32", "[1]", "[0,4]") + "}", data);
  const Safetensors integers = read_safetensors(whole);
  CHECK_THROWS_AS(float_tensor(integers.tensors.at("x")), SafetensorsError);

  const std::string written = write_safetensors({{"x", torch::ones({4})}});
  const StoredTensor stored = read_safetensors(written).tensors.at("x");
  CHECK(float_tensor(stored).const_data_ptr() == static_cast<const void*>(stored.bytes.data()));
}

TEST_CASE("every lie of a header is refused with its reason") {
  const std::string data(8, '\0');
  CHECK(says("", "shorter"));
  CHECK(says(std::string(8, '\xff'), "larger than 100 MB"));
  CHECK(says(file_of("{}", "").substr(0, 9), "longer than the file"));
  CHECK(says(file_of(" {}", ""), "does not start with"));
  CHECK(says(file_of("{\"x\":", ""), "not JSON"));
  CHECK(says(file_of("{\"x\":" + one_float + "}", ""), "outside the file"));
  CHECK(says(file_of("{\"x\":" + one_float + "}", data), "after the last tensor"));
  CHECK(says(file_of("{\"x\":" + entry("F32", "[1]", "[4,8]") + "}", data), "hole"));
  CHECK(says(file_of("{\"x\":" + entry("F32", "[2]", "[0,8]") + ",\"y\":" + one_float + "}", data),
             "overlap"));
  CHECK(
      says(file_of("{\"x\":" + one_float + ",\"x\":" + one_float + "}", data.substr(4)), "twice"));
  CHECK(says(file_of("{\"x\":" + entry("F32", "[2]", "[0,4]") + "}", data.substr(4)), "its shape"));
  CHECK(says(file_of("{\"x\":" + entry("F33", "[1]", "[0,4]") + "}", data.substr(4)), "dtype"));
  CHECK(says(file_of("{\"x\":" + entry("F32", "[-1]", "[0,4]") + "}", data.substr(4)),
             "non-negative"));
  CHECK(says(file_of("{\"x\":" + entry("F32", "[4611686018427387904,4]", "[0,0]") + "}", ""),
             "too large"));
  CHECK(says(file_of("{\"x\":" + entry("F32", "[1]", "[4,0]") + "}", data), "outside"));
  CHECK(says(file_of("{\"__metadata__\":{\"a\":1}}", ""), "not a string"));
  CHECK(says(file_of("{\"x\":[[[[[[1]]]]]]}", ""), "deeply"));
  CHECK(says(
      file_of("{\"x\":" + entry("F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]") + "}",
              data),
      "long array"));
}

TEST_CASE("a file cut anywhere is refused") {
  const std::string bytes = write_safetensors({{"a", torch::randn({2, 3})}});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK(reason(bytes.substr(0, size)) != "accepted");
  CHECK(reason(bytes) == "accepted");
}

}  // namespace graft
