// The socket loop.
#include "trainer/serving/predict_server.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <system_error>
#include <vector>

#include "trainer/text/log.h"

namespace graft {
namespace {

constexpr std::size_t longest_line = 64 << 20;  // bytes; the daemon's own limits are far below

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Descriptor listen_at(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path)
    throw std::system_error(std::make_error_code(std::errc::filename_too_long), path.string());
  std::memcpy(address.sun_path, path.c_str(), path.native().size() + 1);
  Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (listener.number() < 0) fail("cannot make a socket");
  if (std::filesystem::is_socket(std::filesystem::symlink_status(path))) ::unlink(path.c_str());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(listener.number(), generic, sizeof address) != 0 ||
      ::listen(listener.number(), SOMAXCONN) != 0)
    fail("cannot listen at " + path.string());
  return listener;
}

// Never throws what a request or its answer may cause: the line is then an error.
std::string answer_line(Predictor& predictor, std::string_view line) {
  PredictResponse response;
  try {
    const PredictRequest request = parse_predict_request(line);
    response.id = request.id;
    return write_predict_response(predictor.answer(request)) + "\n";
  } catch (const ProtocolError& error) {
    response.error_code = "invalid_request";
    response.error_message = error.what();
  } catch (const std::bad_alloc&) {
    response.error_code = "out_of_memory";
    response.error_message = "there was no memory for the request or its answer";
  } catch (const std::exception& error) {
    response.error_code = "prediction_failed";
    response.error_message = error.what();
  }
  return write_predict_response(response) + "\n";
}

// One client. Reads while nothing waits to be written, so a client that does not read cannot make
// the buffers grow.
class Client {
 public:
  explicit Client(Descriptor socket) : socket_(std::move(socket)) {}

  pollfd poll_entry() const {
    return {socket_.number(), static_cast<short>(output_.empty() ? POLLIN : POLLOUT), 0};
  }

  // False: the client is gone.
  bool advance(short events, Predictor& predictor) {
    if (events & (POLLERR | POLLNVAL)) return false;
    if (output_.empty() && !receive()) return false;
    answer_one(predictor);
    if (!send()) return false;
    return !closed_ || !output_.empty() || has_request();
  }

  bool has_request() const { return output_.empty() && input_.find('\n') != std::string::npos; }

 private:
  bool receive() {
    char buffer[1 << 16];
    for (;;) {
      const ssize_t count = ::recv(socket_.number(), buffer, sizeof buffer, 0);
      if (count < 0) return errno == EAGAIN || errno == EINTR;
      if (count == 0) {
        closed_ = true;  // what it asked before is still answered
        return has_request();
      }
      input_.append(buffer, static_cast<std::size_t>(count));
      if (input_.size() > longest_line) return false;
    }
  }

  void answer_one(Predictor& predictor) {
    const std::size_t end = input_.find('\n');
    if (!output_.empty() || end == std::string::npos) return;
    output_ = answer_line(predictor, std::string_view(input_).substr(0, end));
    input_.erase(0, end + 1);
  }

  bool send() {
    while (!output_.empty()) {
      const ssize_t count = ::send(socket_.number(), output_.data(), output_.size(), MSG_NOSIGNAL);
      if (count < 0) return errno == EAGAIN || errno == EINTR;
      output_.erase(0, static_cast<std::size_t>(count));
    }
    return true;
  }

  Descriptor socket_;
  std::string input_, output_;
  bool closed_ = false;
};

}  // namespace

void serve_predictions(const std::filesystem::path& socket_path, Predictor& predictor,
                       StopSignal& stop) {
  const pid_t parent = ::getppid();
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) return;  // it ended before it could be watched
  const Descriptor listener = listen_at(socket_path);
  log_info("answering predictions at " + socket_path.string());
  std::vector<Client> clients;
  while (!stop.requested()) {
    std::vector<pollfd> entries{{stop.descriptor(), POLLIN, 0}, {listener.number(), POLLIN, 0}};
    bool work_waits = false;
    for (const Client& client : clients) {
      entries.push_back(client.poll_entry());
      work_waits |= client.has_request();
    }
    if (::poll(entries.data(), entries.size(), work_waits ? 0 : -1) < 0 && errno != EINTR)
      fail("cannot wait for clients");
    std::vector<Client> staying;
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const short events = entries[i + 2].revents;
      if (!(events || clients[i].has_request()) || clients[i].advance(events, predictor))
        staying.push_back(std::move(clients[i]));
    }
    clients = std::move(staying);
    for (;;) {
      Descriptor socket(
          ::accept4(listener.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (socket.number() < 0) break;
      clients.emplace_back(std::move(socket));
    }
  }
  ::unlink(socket_path.c_str());
}

}  // namespace graft
