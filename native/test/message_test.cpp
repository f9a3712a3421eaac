#include "netlink/message.h"

#include <doctest/doctest.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <vector>

using namespace ecdock::netlink;

namespace {

std::vector<uint8_t> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// Little-endian, as every machine that this runs on.
std::vector<uint8_t> bytes_of(std::initializer_list<int> values) {
  return std::vector<uint8_t>(values.begin(), values.end());
}

}  // namespace

TEST_CASE("a request is its header, the family header and its attributes, each padded to four bytes") {
  Request request(RTM_SETLINK, NLM_F_ACK);
  request.header(ifinfomsg{});
  request.text(IFLA_IFNAME, "eth0");
  request.u32(IFLA_MTU, 1500);
  request.u8(IFLA_OPERSTATE, 6);

  const auto expected = bytes_of({
      60, 0, 0,  0, 19,   0,   5,   0,   7, 0, 0, 0,
      0,  0, 0,  0,  // nlmsghdr: length, RTM_SETLINK, REQUEST|ACK, seq
      0,  0, 0,  0, 0,    0,   0,   0,   0, 0, 0, 0,
      0,  0, 0,  0,                                   // ifinfomsg
      9,  0, 3,  0, 'e',  't', 'h', '0', 0, 0, 0, 0,  // IFLA_IFNAME, with its zero, padded
      8,  0, 4,  0, 0xdc, 5,   0,   0,                // IFLA_MTU
      5,  0, 16, 0, 6,    0,   0,   0,                // IFLA_OPERSTATE, padded
  });
  CHECK(copy(request.finish(7)) == expected);
}

TEST_CASE("nested attributes hold what is put between nest and close") {
  Request request(RTM_NEWLINK, NLM_F_CREATE);
  const size_t info = request.nest(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "veth");
  const size_t data = request.nest(IFLA_INFO_DATA);
  request.close(data);
  request.close(info);

  const auto expected = bytes_of({
      36, 0, 0,  0,    16,  0,   1,   4,   1, 0, 0, 0, 0, 0, 0, 0,  // nlmsghdr: RTM_NEWLINK, REQUEST|CREATE
      20, 0, 18, 0x80,                                              // IFLA_LINKINFO, nested
      9,  0, 1,  0,    'v', 'e', 't', 'h', 0, 0, 0, 0,              // IFLA_INFO_KIND
      4,  0, 2,  0x80,                                              // IFLA_INFO_DATA, nested and empty
  });
  CHECK(copy(request.finish(1)) == expected);
}

TEST_CASE("attributes are found by type, whatever flags they carry") {
  Request request(0, 0);
  const size_t nest = request.nest(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "bridge");
  request.close(nest);
  request.u32(IFLA_GROUP, 77);
  const auto message = request.finish(1);
  const Attributes attributes(message.subspan(NLMSG_HDRLEN));

  CHECK(attributes.u32(IFLA_GROUP) == 77);
  CHECK(attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND) == "bridge");
  CHECK_FALSE(attributes.find(IFLA_MTU).has_value());
  CHECK(attributes.text(IFLA_IFNAME) == "");
}

TEST_CASE("attributes that are cut anywhere are read as far as they are whole") {
  Request request(0, 0);
  request.u32(IFLA_MTU, 1500);
  request.text(IFLA_IFNAME, "eth0");
  const auto message = request.finish(1);
  const auto body = message.subspan(NLMSG_HDRLEN);
  for (size_t length = 0; length <= body.size(); ++length) {
    const std::vector<uint8_t> cut(body.begin(), body.begin() + static_cast<long>(length));
    const Attributes attributes{Bytes(cut)};
    CHECK(attributes.u32(IFLA_MTU).has_value() == (length >= 8));
    CHECK((attributes.text(IFLA_IFNAME) == "eth0") == (length >= 17));
  }
}

TEST_CASE("an attribute whose length is a lie ends the walk") {
  const auto short_length = bytes_of({3, 0, 4, 0, 1, 2, 3, 4});
  CHECK_FALSE(Attributes(short_length).find(IFLA_MTU).has_value());
  const auto long_length = bytes_of({255, 255, 4, 0, 1, 2, 3, 4});
  CHECK_FALSE(Attributes(long_length).find(IFLA_MTU).has_value());
  const auto short_value = bytes_of({6, 0, 4, 0, 1, 2, 0, 0});
  CHECK_FALSE(Attributes(short_value).u32(IFLA_MTU).has_value());
}

TEST_CASE("a datagram is cut into its messages, and a cut datagram says so") {
  Request first(RTM_NEWLINK, 0);
  first.header(ifinfomsg{});
  Request second(RTM_NEWADDR, 0);
  std::vector<uint8_t> datagram = copy(first.finish(1));
  const auto rest = copy(second.finish(2));
  datagram.insert(datagram.end(), rest.begin(), rest.end());

  Messages whole{Bytes(datagram)};
  CHECK(whole.next()->header.nlmsg_type == RTM_NEWLINK);
  CHECK(whole.next()->header.nlmsg_type == RTM_NEWADDR);
  CHECK_FALSE(whole.next().has_value());
  CHECK_FALSE(whole.truncated());

  for (size_t length = 1; length < datagram.size(); ++length) {
    Messages cut{Bytes(datagram).first(length)};
    while (cut.next()) {
    }
    CHECK(cut.truncated() == (length != 32));  // 32 bytes are just the first message
  }
}

TEST_CASE("an acknowledgement carries the errno and the kernel's words") {
  // nlmsgerr: -EEXIST, the header of the request (capped), then NLMSGERR_ATTR_MSG.
  auto answer = bytes_of({
      0,    0,    0,    0,    2,  0, 0, 3, 9, 0, 0, 0, 0, 0, 0, 0,  // nlmsghdr: NLMSG_ERROR, CAPPED|ACK_TLVS
      0xef, 0xff, 0xff, 0xff,                                       // -17
      40,   0,    0,    0,    16, 0, 5, 6, 9, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 'b', 'u', 's', 'y', 0, 0, 0, 0,
  });
  answer[0] = static_cast<uint8_t>(answer.size());
  const auto parsed = parse_acknowledgement(*Messages(Bytes(answer)).next());
  REQUIRE(parsed.has_value());
  CHECK(parsed->err == 17);
  CHECK(parsed->text == "busy");
}

TEST_CASE("an acknowledgement that repeats the whole request has its words behind it") {
  auto answer = bytes_of({
      0,    0,    0,    0,    2,  0, 0, 2, 9, 0, 0, 0, 0, 0, 0, 0,  // ACK_TLVS only
      0xff, 0xff, 0xff, 0xff,                                       // -1
      20,   0,    0,    0,    16, 0, 5, 6, 9, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 7, 0, 1, 0, 'n', 'o', 0, 0,
  });
  answer[0] = static_cast<uint8_t>(answer.size());
  const auto parsed = parse_acknowledgement(*Messages(Bytes(answer)).next());
  REQUIRE(parsed.has_value());
  CHECK(parsed->err == 1);
  CHECK(parsed->text == "no");
}

TEST_CASE("other messages are no acknowledgement") {
  Request request(RTM_NEWLINK, 0);
  CHECK_FALSE(parse_acknowledgement(*Messages(request.finish(1)).next()).has_value());
}
