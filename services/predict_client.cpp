// Blocking sockets with poll() for the deadline, on threads that have nothing else to do meanwhile.
#include "services/predict_client.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "services/http/router.h"
#include "trainer/durable/descriptor.h"

namespace graft {
namespace {

constexpr std::size_t answer_limit = 64 << 20;  // bytes of a line: more is not an answer of ours
constexpr std::size_t idle_limit = 64;          // connections kept
constexpr std::size_t thread_count = 4;         // calls side by side
constexpr std::size_t queue_limit = 64;         // calls that wait for one of those
constexpr auto ready_limit = std::chrono::seconds(1);  // for an answer of one that has no work
// Refused as no request by a worker's loop itself: to see that it turns costs no more.
constexpr std::string_view empty_request = "{}\n";

// The worker closed the connection or refused it.
struct WorkerGone {};
struct WorkerTooSlow {};

HttpError unavailable(const std::string& message) {
  HttpError error(503, message, "predictor_unavailable");
  error.headers.emplace_back("retry-after", "2");
  return error;
}

HttpError too_many() {
  HttpError error(429, "Too many predictions are waiting; try again soon.", "too_many_requests");
  error.headers.emplace_back("retry-after", "1");
  return error;
}

// What the worker says about a request that reached it. Paths of ours are for the log, not for
// clients.
HttpError worker_error(const PredictResponse& response) {
  const std::string& code = response.error_code;
  if (code == "invalid_input") return HttpError(400, response.error_message, code, "inputs");
  spdlog::error("prediction worker: {}: {}", code, response.error_message);
  if (code == "out_of_memory")
    return unavailable(
        "There was not enough memory for this prediction; fewer or shorter inputs "
        "need less.");
  HttpError error(500, "The prediction failed (" + code + "); the service's log has the details.",
                  code);
  error.headers.emplace_back("x-should-retry", "false");  // it would fail again
  return error;
}

void wait_for(int fd, short events, std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) throw WorkerTooSlow();
    pollfd waiting{fd, events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) throw WorkerGone();
  }
}

}  // namespace

class PredictClient::Connection {
 public:
  explicit Connection(Descriptor socket) : socket_(std::move(socket)) {}

  void send(std::string_view bytes, Deadline deadline) {
    while (!bytes.empty()) {
      const ssize_t sent =
          ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        wait_for(socket_.number(), POLLOUT, deadline);
      } else if (errno != EINTR) {
        throw WorkerGone();
      }
    }
  }

  // One line, without its end.
  std::string read_line(Deadline deadline) {
    std::size_t searched = 0;
    for (;;) {
      const std::size_t end = received_.find('\n', searched);
      if (end != received_.npos) {
        std::string line = received_.substr(0, end);
        received_.erase(0, end + 1);
        return line;
      }
      searched = received_.size();
      if (searched > answer_limit) throw WorkerGone();
      wait_for(socket_.number(), POLLIN, deadline);
      char space[64 * 1024];
      const ssize_t bytes = ::recv(socket_.number(), space, sizeof space, MSG_DONTWAIT);
      if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR)) throw WorkerGone();
      if (bytes > 0) received_.append(space, static_cast<std::size_t>(bytes));
    }
  }

  // A worker that ended has closed its side; one that speaks unasked is out of step.
  bool usable() const {
    pollfd waiting{socket_.number(), POLLIN, 0};
    return received_.empty() && ::poll(&waiting, 1, 0) == 0;
  }

  // Wakes a thread that waits for the worker. From any thread while the connection exists.
  void shut_down() { ::shutdown(socket_.number(), SHUT_RDWR); }

 private:
  const Descriptor socket_;
  std::string received_;
};

PredictClient::PredictClient(std::filesystem::path socket, std::chrono::milliseconds timeout,
                             std::chrono::milliseconds patience)
    : socket_(std::move(socket)), timeout_(timeout), patience_(patience) {
  for (std::size_t i = 0; i < thread_count; ++i) threads_.emplace_back([this] { serve_queue(); });
}

PredictClient::~PredictClient() {
  stop();
  for (std::thread& thread : threads_) thread.join();
}

void PredictClient::predict_later(PredictRequest request, Done done) {
  const std::lock_guard lock(mutex_);
  if (stopped_) throw unavailable("The service is stopping; try again.");
  if (queue_.size() >= queue_limit) throw too_many();
  queue_.push_back({std::move(request), std::move(done), Clock::now() + timeout_});
  queued_.notify_one();
}

// Calls end in their order at the latest, so that none waits beyond its deadline for a thread.
// After stop() what still waits is answered, each with a 503.
void PredictClient::serve_queue() {
  std::unique_lock lock(mutex_);
  for (;;) {
    queued_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Waiting next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    std::exception_ptr error;
    PredictResponse response;
    try {
      response = predict_until(std::move(next.request), next.deadline);
    } catch (...) {
      error = std::current_exception();
    }
    next.done(std::move(error), std::move(response));
    next = {};
    lock.lock();
  }
}

PredictResponse PredictClient::predict(PredictRequest request) {
  return predict_until(std::move(request), Clock::now() + timeout_);
}

PredictResponse PredictClient::predict_until(PredictRequest request, Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) throw unavailable("The service is stopping; try again.");
    request.id = ++last_id_;
  }
  const std::string line = write_predict_request(request) + "\n";
  try {
    if (Clock::now() >= deadline) throw WorkerTooSlow();
    std::unique_ptr<Connection> connection = take_idle();
    const bool reused = connection != nullptr;
    if (!reused) connection = connect_patiently(deadline);
    PredictResponse response;
    try {
      response = exchange(*connection, line, deadline);
    } catch (const WorkerGone&) {
      if (!reused) throw;
      connection = connect_patiently(deadline);
      response = exchange(*connection, line, deadline);
    }
    if (response.id != request.id) throw WorkerGone();
    give_back(std::move(connection));
    if (!response.error_code.empty()) throw worker_error(response);
    return response;
  } catch (const WorkerGone&) {
    throw unavailable("The prediction worker is starting or was restarted; try again.");
  } catch (const ProtocolError&) {
    throw unavailable("The prediction worker did not answer in our protocol; try again.");
  } catch (const WorkerTooSlow&) {
    throw HttpError(504,
                    "The prediction took longer than " + std::to_string(timeout_.count()) +
                        " ms; try again, or with fewer inputs.",
                    "prediction_timeout");
  }
}

bool PredictClient::ready() {
  const Clock::time_point asked = Clock::now();
  const Deadline deadline = asked + ready_limit;
  try {
    std::unique_ptr<Connection> connection = take_idle();
    if (!connection) connection = connect(deadline);
    // One that computes for somebody answers late, and that call itself sees whether it hangs.
    if (!at_work_since(asked)) {
      connection->send(empty_request, deadline);
      parse_predict_response(connection->read_line(deadline));
    }
    give_back(std::move(connection));
    return true;
  } catch (const WorkerGone&) {
  } catch (const ProtocolError&) {
  } catch (const WorkerTooSlow&) {
    return at_work_since(asked);  // a call came in between
  }
  return false;
}

bool PredictClient::at_work_since(Clock::time_point time) {
  const std::lock_guard lock(mutex_);
  return !in_use_.empty() || last_answer_ >= time;
}

void PredictClient::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  idle_.clear();
  queued_.notify_all();
  for (Connection* connection : in_use_) connection->shut_down();
}

PredictResponse PredictClient::exchange(Connection& connection, const std::string& line,
                                        Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) throw WorkerGone();
    in_use_.insert(&connection);
  }
  // Out of the set before the connection can be closed, so that stop() never touches another's
  // descriptor.
  struct Leave {
    PredictClient& client;
    Connection& connection;
    ~Leave() {
      const std::lock_guard lock(client.mutex_);
      client.in_use_.erase(&connection);
    }
  } leave{*this, connection};
  const Clock::time_point sent = Clock::now();
  try {
    connection.send(line, deadline);
    const std::string answer = connection.read_line(deadline);
    const std::lock_guard lock(mutex_);
    last_answer_ = Clock::now();
    return parse_predict_response(answer);
  } catch (const WorkerTooSlow&) {
    // Only who had the whole time-out says so: a call that waited long here proves nothing.
    std::unique_lock lock(mutex_);
    const bool silent = last_answer_ < sent && deadline - sent >= timeout_ / 2;
    lock.unlock();
    if (silent && tell_) tell_(sent);
    throw;
  }
}

// nullptr: none is free. Those that died since their last call are dropped.
std::unique_ptr<PredictClient::Connection> PredictClient::take_idle() {
  const std::lock_guard lock(mutex_);
  while (!idle_.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    if (connection->usable()) return connection;
  }
  return nullptr;
}

void PredictClient::give_back(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  if (!stopped_ && idle_.size() < idle_limit) idle_.push_back(std::move(connection));
}

std::unique_ptr<PredictClient::Connection> PredictClient::connect(Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_.string();
  if (path.size() >= sizeof address.sun_path) throw WorkerGone();
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw WorkerGone();
  // A full backlog makes connect() wait; the socket's send timeout bounds that.
  const auto left = std::max(std::chrono::duration_cast<std::chrono::milliseconds>(
                                 deadline - std::chrono::steady_clock::now()),
                             std::chrono::milliseconds(1));
  const timeval limit{left.count() / 1000, left.count() % 1000 * 1000};
  ::setsockopt(socket.number(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
      0) {
    if (errno == EAGAIN) throw WorkerTooSlow();
    throw WorkerGone();
  }
  return std::make_unique<Connection>(std::move(socket));
}

// A worker that starts or was restarted needs a moment until it listens.
std::unique_ptr<PredictClient::Connection> PredictClient::connect_patiently(Deadline deadline) {
  constexpr auto pause = std::chrono::milliseconds(50);
  const Deadline end = std::min(deadline, std::chrono::steady_clock::now() + patience_);
  for (;;) {
    try {
      return connect(deadline);
    } catch (const WorkerGone&) {
      const std::lock_guard lock(mutex_);
      if (stopped_ || std::chrono::steady_clock::now() + pause > end) throw;
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace graft
