// What a session has done by other threads, awaited on the socket thread: blocking work on the
// pool, answers that come later. Private to the server.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "services/http/router.h"

namespace graft {

namespace asio = boost::asio;

// Runs `work` on a thread of the pool and comes back to the socket thread with what it returns or
// throws.
template <class Work>
asio::awaitable<std::invoke_result_t<Work&>> on_pool(asio::thread_pool& pool, Work work) {
  using Result = std::invoke_result_t<Work&>;
  auto task = [&work]() -> asio::awaitable<Result> { co_return work(); };
  co_return co_await asio::co_spawn(pool, std::move(task), asio::use_awaitable);
}

// Has the route begin its work on the pool and waits, without a thread, for what it answers; comes
// back to the socket thread.
inline asio::awaitable<Response> deferred_answer(asio::thread_pool& pool, const Route& route,
                                                 const Request& request) {
  auto begin = [&](auto completion) {
    auto waiting = std::make_shared<decltype(completion)>(std::move(completion));
    auto work = asio::make_work_guard(asio::get_associated_executor(*waiting));
    const Responder responder([work, waiting](std::exception_ptr error, Response response) {
      asio::post(work.get_executor(), [waiting, error, answer = std::move(response)]() mutable {
        (*waiting)(error, std::move(answer));
      });
    });
    asio::post(pool, [&route, &request, responder] {
      try {
        route.deferred(request, responder);
      } catch (...) {
        responder.fail(std::current_exception());
      }
    });
  };
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr, Response)>(
      begin, asio::use_awaitable);
}

// Holds a sink and lets go of it on the pool, because a sink may tidy up on disk.
class SinkHolder {
 public:
  SinkHolder(asio::thread_pool& pool, std::unique_ptr<BodySink> sink)
      : pool_(pool), sink_(std::move(sink)) {}
  SinkHolder(const SinkHolder&) = delete;
  SinkHolder& operator=(const SinkHolder&) = delete;
  ~SinkHolder() {
    asio::post(pool_, [sink = std::move(sink_)]() mutable { sink.reset(); });
  }
  BodySink& operator*() { return *sink_; }

 private:
  asio::thread_pool& pool_;
  std::unique_ptr<BodySink> sink_;
};

}  // namespace graft
