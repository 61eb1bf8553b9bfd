// Through a signalfd, so that poll can wait for it.
#include "trainer/training/stop_signal.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace graft {

StopSignal::StopSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) throw_errno("cannot block signals");
  signals_ = Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (signals_.number() < 0) throw_errno("cannot listen to signals");
}

bool StopSignal::requested() {
  signalfd_siginfo info;
  if (!requested_) requested_ = ::read(signals_.number(), &info, sizeof info) == sizeof info;
  return requested_;
}

}  // namespace graft
