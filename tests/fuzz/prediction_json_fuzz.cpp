// Bodies of predict, and what daemon and prediction worker say to each other.
#include "services/http/router.h"
#include "services/wire/predict.h"
#include "tests/fuzz/fuzz_target.h"
#include "trainer/contract/prediction.h"

namespace graft {
namespace {

using fuzz::hold;

void read_body(std::string_view input) {
  try {
    const PredictBody body = parse_predict_body(input);
    hold(!body.inputs.empty() && body.inputs.size() <= most_inputs, "1 to most_inputs");
    PredictRequest request;
    request.inputs = body.inputs;
    const std::string line = write_predict_request(request);
    hold(line.find('\n') == line.npos, "one line");
    const PredictRequest again = parse_predict_request(line);
    hold(again.inputs.size() == body.inputs.size(), "the worker reads what the daemon took");
    for (std::size_t i = 0; i < again.inputs.size(); ++i)
      hold(again.inputs[i].text == body.inputs[i].text &&
               again.inputs[i].text_pair == body.inputs[i].text_pair,
           "texts arrive as they came");
  } catch (const HttpError& error) {
    hold(error.status == 400, "status " + std::to_string(error.status));
    hold(is_utf8(error.what()), "a refusal is UTF-8");
  }
}

}  // namespace
}  // namespace graft

GRAFT_FUZZ_TARGET(prediction_json) {
  using namespace graft;
  read_body(input);
  try {
    const std::string line = write_predict_request(parse_predict_request(input));
    hold(write_predict_request(parse_predict_request(line)) == line,
         "a request is written as read");
  } catch (const ProtocolError&) {
  }
  try {
    const std::string line = write_predict_response(parse_predict_response(input));
    hold(write_predict_response(parse_predict_response(line)) == line,
         "a response is written as read");
  } catch (const ProtocolError&) {
  }
}
