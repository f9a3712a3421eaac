#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fd.h"
#include "switch/event_loop.h"
#include "switch/forwarding_table.h"
#include "switch/frame.h"
#include "switch/pace.h"
#include "switch/segmenter.h"
#include "switch/transmit_queue.h"

namespace ecdock::vde {

class Endpoint;

// Where the frames of endpoints go: the switch, or in cable mode the other end.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // Frames that were received one after the other. They are the sink's to change, and their buffers the
  // endpoint's again afterwards.
  virtual void forward(Endpoint& from, std::span<Frame> frames) = 0;
  // The endpoint can neither send nor receive any more, because its device or socket is gone.
  virtual void lost(Endpoint& endpoint, const std::string& reason) = 0;

  // The endpoint whose queue grew too long since the last look, though it is being emptied.
  Endpoint* congested = nullptr;
};

// From the switch's side: received is what came in through the endpoint.
struct Counters {
  uint64_t rx_packets = 0;
  uint64_t rx_bytes = 0;
  uint64_t tx_packets = 0;
  uint64_t tx_bytes = 0;
  uint64_t drops = 0;  // could not be sent or queued, or was no frame that can be forwarded

  Counters& operator+=(const Counters& more);
};

struct Identity {
  enum class Kind { tap, vde, cable };
  Kind kind = Kind::tap;
  std::string name;         // of a tap's interface, as whoever plugged it said
  std::string label;        // likewise; means nothing here
  std::string description;  // of a VDE client
  pid_t pid = 0;            // of a VDE client, with its user
  uid_t uid = 0;
  int id = -1;  // a descriptor's number, by which the console tells the endpoints of a port apart
};

// One tap or datagram socket, with the frames that wait for it.
class Endpoint : public Watcher {
 public:
  Endpoint(EventLoop& loop, FrameSink& sink, Fd fd, Identity identity);
  ~Endpoint() override;

  // Begins to receive.
  Status start();
  // The endpoint receives and sends nothing from here on; gives its descriptor back, to be closed.
  Fd stop();

  // Sends each frame, or queues a copy of it, or drops it. Their headroom may be written to.
  virtual void send(std::span<Frame> frames) = 0;
  // Forwards what is still there to be received; bounded.
  virtual void receive() = 0;

  void on_ready(uint32_t events) override;

  const Identity& identity() const { return identity_; }
  Identity& identity() { return identity_; }
  // How people tell it apart: a client's description, a tap's label or name.
  const std::string& words() const;
  const Counters& counters() const { return counters_; }
  void reset_counters() { counters_ = {}; }
  const TransmitQueue& queue() const { return queue_; }
  // Whether it takes segments whole and checksums unfinished.
  virtual bool offload() const { return false; }

  PortNumber port = 0;  // set by the sink

 protected:
  int fd() const { return fd_.get(); }
  // Counts a received frame, or drops it when it is none, or larger than `most`.
  bool accept(const Frame& frame, size_t most);
  // Gives received frames to the sink.
  void deliver(std::span<Frame> frames);
  // One frame in parts, ready to be written, or several that were joined. `payload` is their size in the
  // counters.
  void transmit(std::span<const iovec> parts, size_t payload, size_t packets = 1);
  // Whole frames.
  void transmit_all(std::span<const iovec> frames);
  // The frame as whole frames without offload, one write each.
  void transmit_divided(const Frame& frame);
  void drop(size_t packets = 1) { counters_.drops += packets; }
  void lose(const std::string& reason);
  FrameSink& sink() { return sink_; }
  EventLoop& loop() { return loop_; }

  struct Written {
    size_t frames = 0;
    bool refused = false;  // the one after them, for good
  };
  // Writes frames until one would block. None written, and none refused: that was the first one.
  virtual Written write_frames(std::span<const iovec> frames);
  bool stopped() const { return !fd_.valid(); }

  // To be called after each batch: receives no more for a moment when what came goes to a receiver that is
  // slower. Its sender is then held up by the kernel, which costs less than to take frames and drop them. Not
  // for one that takes nothing at all: nobody waits for that.
  void yield_to_congestion();

  // To be called after frames have passed, and with none now and then: has the loop follow it while its
  // traffic is dense.
  void mind_pace();

 private:
  void queue(std::span<const iovec> parts, size_t payload, size_t packets);
  void count_sent(size_t payload, size_t packets = 1);
  void flush();
  uint32_t events() const { return (reading_ ? EPOLLIN : 0U) | (writing_ ? EPOLLOUT : 0U); }
  void update();
  void hold_back(Endpoint& source);
  void let_go();

  EventLoop& loop_;
  FrameSink& sink_;
  Fd fd_;
  Identity identity_;
  Counters counters_;
  TransmitQueue queue_;
  Pace pace_;
  bool followed_ = false;
  bool asked_ = false;  // a frame was sent, and none has come since
  bool writing_ = false;
  bool reading_ = true;
  size_t flushed_ = 0;                // frames, since it last held somebody back
  Endpoint* held_back_by_ = nullptr;  // whose queue is too long
  std::vector<Endpoint*> held_back_;  // until this queue is shorter
  EventLoop::TimerId hold_ = 0;
};

}  // namespace ecdock::vde
