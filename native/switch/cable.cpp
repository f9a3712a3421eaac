#include "switch/cable.h"

#include <cerrno>

namespace ecdock::vde {

Cable::Cable(EventLoop& loop, Tap tap, Identity identity, PortNumber number, std::string switch_directory,
             std::string own_directory, const Listener& listener)
    : loop_(loop),
      switch_directory_(std::move(switch_directory)),
      own_directory_(std::move(own_directory)),
      listener_(listener),
      tap_(std::make_unique<TapEndpoint>(loop, *this, std::move(tap), std::move(identity))) {
  tap_->port = number;
}

Cable::~Cable() {
  if (redial_ != 0) loop_.cancel(redial_);
  drop_connection();
  tap_->stop();
  loop_.retire(std::move(tap_));
}

void Cable::connect(std::function<void(Status)> answer) {
  dial([this, answer = std::move(answer)](Status dialled) {
    if (dialled.ok()) dialled = tap_->start();
    answer(std::move(dialled));
  });
}

void Cable::dial(std::function<void(Status)> answer) {
  const Identity& identity = tap_->identity();
  connection_ = std::make_unique<VdeConnection>(
      loop_, switch_directory_, own_directory_, "ecdock-switch: tap " + identity.name,
      [this, answer](Result<Fd> data) {
        if (!data.ok()) return answer(data.error());
        plugged(std::move(data.value()));
        answer(remote_ ? Status(Done{}) : Status(Error{"cable", EIO, "the socket cannot be waited for", {}}));
      },
      [this] {
        drop_connection();
        listener_.disconnected(*this);
        redial();
      });
  const Status opened = connection_->open();
  if (!opened.ok()) answer(opened.error());
}

void Cable::redial() {
  redial_ = loop_.after(kRedial, [this] {
    redial_ = 0;
    dial([this](const Status& dialled) {
      if (dialled.ok()) return listener_.connected(*this);
      drop_connection();
      redial();
    });
  });
}

void Cable::plugged(Fd data) {
  Identity identity;
  identity.kind = Identity::Kind::vde;
  remote_ = std::make_unique<DatagramEndpoint>(loop_, *this, std::move(data), std::move(identity));
  if (!remote_->start().ok()) remote_.reset();
}

// Either may be the one that is being told.
void Cable::drop_connection() {
  if (remote_) {
    remote_->stop();
    loop_.retire(std::move(remote_));
  }
  if (connection_) {
    connection_->stop();
    loop_.retire(std::move(connection_));
  }
}

Fd Cable::take_tap() { return tap_->stop(); }

void Cable::forward(Endpoint& from, std::span<Frame> frames) {
  if (&from == remote_.get()) {
    tap_->send(frames);
  } else if (remote_) {
    remote_->send(frames);
  }
}

void Cable::lost(Endpoint& endpoint, const std::string& reason) {
  if (&endpoint == tap_.get()) listener_.tap_lost(*this, reason);
}

}  // namespace ecdock::vde
