#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fd.h"
#include "netlink/message.h"
#include "result.h"

namespace ecdock::netlink {

// A NETLINK_ROUTE socket. It belongs to the network namespace that the calling thread is in when it opens,
// and stays there whatever the thread does later.
class Socket {
 public:
  static Result<Socket> open();

  // Sends one request and waits for its acknowledgement. `op` names it in the error.
  Status execute(Request request, std::string_view op);
  // Sends many requests with few system calls, and waits for all of them. One status for each, in order.
  std::vector<Status> execute_all(std::vector<Request> requests, std::string_view op);

  // The index of a link of the socket's namespace; ENODEV. By SIOCGIFINDEX (netdevice(7)), which takes a
  // twelfth of the time of an RTM_GETLINK.
  Result<int> ifindex(const std::string& name);

  using Visit = std::function<void(const Messages::Message&)>;
  // Sends one request that is answered by one message, or by an errno (RTM_GETLINK of one link).
  Status get(Request request, std::string_view op, const Visit& visit);
  // Sends a dump request; `begin` is called before each try, because a dump that other changes interrupted
  // (NLM_F_DUMP_INTR) is begun anew, a bounded number of times.
  Status dump(Request request, std::string_view op, const std::function<void()>& begin, const Visit& visit);

 private:
  explicit Socket(Fd fd) : fd_(std::move(fd)) {}

  Status query(Request request, std::string_view op, bool one_answer, const Visit& visit);
  Status send(Bytes messages, std::string_view op);
  Result<Bytes> receive(std::string_view op);

  Fd fd_;
  uint32_t sequence_ = 0;
};

}  // namespace ecdock::netlink
