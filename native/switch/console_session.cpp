#include "switch/console_session.h"

#include <sys/socket.h>

#include <cerrno>

#include "switch/console_server.h"
#include "switch/console_text.h"

namespace ecdock::vde {

ConsoleSession::ConsoleSession(ConsoleServer& server, Fd connection)
    : server_(server), connection_(std::move(connection)), output_(kMaxOutput) {}

Status ConsoleSession::start() {
  const Status added = server_.loop_.add(connection_.get(), EPOLLIN, *this);
  if (added.ok()) say(console_banner() + kConsolePrompt);
  return added;
}

void ConsoleSession::on_ready(uint32_t events) {
  if ((events & EPOLLOUT) && !output_.flush(connection_.get())) return end();
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    char bytes[4096];
    const ssize_t size = recv(connection_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) {
      input_.append(bytes, static_cast<size_t>(size));
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
      at_end_ = true;
    }
  }
  work();
}

void ConsoleSession::work() {
  if (unended_ != 0) server_.loop_.cancel(unended_);
  unended_ = 0;
  while (connection_.valid() && !input_.empty()) {
    const size_t length = input_.find('\n');
    if (length == std::string::npos && !at_end_) break;
    const std::string line = input_.substr(0, length);
    input_.erase(0, length == std::string::npos ? length : length + 1);
    execute(line);
  }
  if (!connection_.valid()) return;
  if (input_.size() > kMaxLine) return end();
  if (at_end_ && output_.empty()) return end();
  if (!input_.empty()) {
    unended_ = server_.loop_.after(kUnendedMs, [this] {
      unended_ = 0;
      input_ += '\n';
      work();
    });
  }
  update();
}

void ConsoleSession::execute(std::string_view line) {
  const auto outcome = server_.commands_.execute(line.substr(0, line.find('\0')), events_);
  using Next = ConsoleCommands::Outcome::Next;
  if (outcome.next == Next::go_on) return say(outcome.text + kConsolePrompt);
  say(kConsoleEnd);
  end();
  if (outcome.next == Next::shutdown) server_.loop_.stop();
}

void ConsoleSession::hear(uint32_t category, const std::string& line) {
  if (!(events_ & category)) return;
  say(line);
  // It does not read what it wanted to hear.
  if (connection_.valid() && output_.size() > kMaxUnread) end();
}

void ConsoleSession::say(const std::string& text) {
  if (!connection_.valid()) return;
  if (!output_.write(connection_.get(), text)) return end();
  update();
}

void ConsoleSession::update() {
  const bool reading = !at_end_ && output_.size() < kMaxUnread;
  server_.loop_.change(connection_.get(), (reading ? EPOLLIN : 0U) | (output_.empty() ? 0U : EPOLLOUT),
                       *this);
}

void ConsoleSession::end() {
  if (!connection_.valid()) return;
  if (unended_ != 0) server_.loop_.cancel(unended_);
  server_.loop_.remove(connection_.get(), *this);
  connection_.reset();
  server_.sessions_.forget(*this);
}

}  // namespace ecdock::vde
