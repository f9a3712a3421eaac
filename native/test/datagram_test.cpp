#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "datagram/inbox.h"
#include "datagram/reader.h"
#include "datagram/socket.h"

using namespace ecdock::datagram;

namespace {

std::vector<uint8_t> bytes(const std::string& text) { return {text.begin(), text.end()}; }

std::string path_of(const std::string& name) {
  return "/tmp/ecdock-datagram-" + std::to_string(::getpid()) + "-" + name;
}

}  // namespace

TEST_CASE("an inbox keeps what has room, and counts the rest") {
  Inbox inbox({3, 8});
  CHECK(inbox.put(bytes("one")));
  CHECK(inbox.put(bytes("")));
  CHECK(inbox.put(bytes("three")));
  CHECK_FALSE(inbox.put(bytes("")));  // the fourth
  CHECK(inbox.dropped() == 1);
  const auto batch = inbox.take();
  CHECK(batch.bytes == bytes("onethree"));
  CHECK(batch.lengths == std::vector<uint32_t>{3, 0, 5});
  CHECK(inbox.take().lengths.empty());
  CHECK_FALSE(inbox.put(bytes("nine bytes")));
  CHECK(inbox.dropped() == 2);
}

TEST_CASE("a path that no address holds is refused, and one that is taken") {
  CHECK(Socket::bind(std::string(108, 'p')).error().err == ENAMETOOLONG);
  CHECK(Socket::bind("").error().err == ENAMETOOLONG);
  const auto path = path_of("taken");
  auto socket = Socket::bind(path);
  REQUIRE(socket.ok());
  CHECK(Socket::bind(path).error().err == EADDRINUSE);
  CHECK(socket.value().connect(path_of("nobody")).error().err == ENOENT);
  ::unlink(path.c_str());
}

TEST_CASE("what is sent is received by the reader's thread, told of once, and taken together") {
  std::atomic<int> told{0};
  Reader reader([&](Id) { ++told; });
  const auto path = path_of("reader");
  auto receiver = Socket::bind(path);
  REQUIRE(receiver.ok());
  auto channel = reader.add(std::move(receiver.value()), {1000, 100000});
  REQUIRE(channel.ok());
  const auto from = path_of("sender");
  auto sender = Socket::bind(from);
  REQUIRE(sender.ok());
  REQUIRE(sender.value().connect(path).ok());
  const auto first = bytes("first");
  const auto second = bytes("second");
  const std::vector<Datagram> both{first, second};
  auto sent = sender.value().send(both);
  REQUIRE(sent.ok());
  CHECK(sent.value() == 2);
  Batch all;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (all.lengths.size() < 2 && std::chrono::steady_clock::now() < deadline) {
    if (told == 0) continue;
    const auto batch = reader.take(*channel.value());
    all.bytes.insert(all.bytes.end(), batch.bytes.begin(), batch.bytes.end());
    all.lengths.insert(all.lengths.end(), batch.lengths.begin(), batch.lengths.end());
  }
  CHECK(all.bytes == bytes("firstsecond"));
  CHECK(all.lengths == std::vector<uint32_t>{5, 6});
  reader.remove(channel.value());
  reader.remove(channel.value());
  ::unlink(path.c_str());
  ::unlink(from.c_str());
}
