// A client as plain as a socket, for tests that look at every byte. Blocking, with a limit on every
// wait.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace graft::testing {

struct Answer {
  int status = 0;
  std::string head, body;

  // Value of a field, by its name in lower case.
  std::optional<std::string> field(std::string_view name) const {
    const std::size_t found = head.find("\r\n" + std::string(name) + ": ");
    if (found == head.npos) return std::nullopt;
    const std::size_t start = found + name.size() + 4;
    return head.substr(start, head.find("\r\n", start) - start);
  }
};

class Connection {
 public:
  // `from`: the client's address, 127.0.0.`from`.
  explicit Connection(std::uint16_t port, std::uint32_t from = 1)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + from);
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      ::close(fd_);
      throw std::runtime_error("cannot bind");
    }
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      ::close(fd_);
      throw std::runtime_error("cannot connect");
    }
  }
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // Closes so that the server sees a reset.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

  // Nothing more is sent; answers can still be read.
  void shut_down_sending() { ::shutdown(fd_, SHUT_WR); }

  // False: the server does not take more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // The next answer; throws where the connection ends before it is complete.
  Answer read(bool without_body = false) {
    while (received_.find("\r\n\r\n") == received_.npos) receive();
    Answer answer;
    const std::size_t end = received_.find("\r\n\r\n") + 4;
    answer.head = received_.substr(0, end - 2);
    received_.erase(0, end);
    answer.status = std::atoi(answer.head.substr(9, 3).c_str());
    if (without_body || answer.status == 100) return answer;
    const std::size_t length =
        static_cast<std::size_t>(std::atoll(answer.field("content-length").value_or("0").c_str()));
    while (received_.size() < length) receive();
    answer.body = received_.substr(0, length);
    received_.erase(0, length);
    return answer;
  }

  // Whether anything has come that was not read yet; does not wait.
  bool has_answer() const {
    pollfd waiting{fd_, POLLIN, 0};
    return !received_.empty() || ::poll(&waiting, 1, 0) == 1;
  }

  Answer ask(std::string_view request) {
    send(request);
    return read(request.starts_with("HEAD"));
  }

  // Whether the server has closed, waiting for it as long as for an answer; what it sent before is
  // in `rest`.
  bool closed_by_server(std::string* rest = nullptr) {
    try {
      for (;;) receive();
    } catch (const std::runtime_error& error) {
      if (rest != nullptr) *rest = received_;
      return std::string_view(error.what()) == "closed";
    }
  }

 private:
  void receive() {
    pollfd waiting{fd_, POLLIN, 0};
    if (::poll(&waiting, 1, 20'000) != 1) throw std::runtime_error("no answer");
    char space[16 * 1024];
    const ssize_t bytes = ::recv(fd_, space, sizeof space, 0);
    if (bytes == 0) throw std::runtime_error("closed");
    if (bytes < 0) throw std::runtime_error("reset");
    received_.append(space, static_cast<std::size_t>(bytes));
  }

  int fd_;
  std::string received_;
};

}  // namespace graft::testing
