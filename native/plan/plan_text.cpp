#include "plan/plan_text.h"

#include <cerrno>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

namespace ecdock::plan {

namespace {

// A plug has about as many.
constexpr size_t kUsualSteps = 16;

// Cuts `text` at the first `separator`; the rest is empty when there is none.
std::string_view take(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const auto first = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return first;
}

std::string unescape(std::string_view text) {
  if (text.find('\\') == std::string_view::npos) return std::string(text);
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      plain += text[i];
      continue;
    }
    const char code = text[++i];
    plain += code == 't' ? '\t' : code == 'n' ? '\n' : code;
  }
  return plain;
}

// The fields of one step. The first that is missing or malformed is remembered; what is read after it is
// empty, and failure() tells which it was.
class Fields {
 public:
  // Those of the next step: to use one object for all spares the memory of each.
  void read(std::string_view line) {
    fields_.clear();
    while (!line.empty()) {
      std::string_view value = take(line, '\t');
      const auto key = take(value, '=');
      fields_.emplace_back(key, value);
    }
  }

  std::optional<std::string> optional_text(std::string_view key) const {
    for (const auto& [name, value] : fields_) {
      if (name == key) return unescape(value);
    }
    return std::nullopt;
  }

  std::string text(std::string_view key) {
    auto value = optional_text(key);
    if (!value) fail(key, "is missing");
    return value.value_or("");
  }

  std::optional<uint32_t> optional_u32(std::string_view key) {
    const auto value = optional_text(key);
    if (!value) return std::nullopt;
    const auto number = parse_number(*value);
    if (!number) fail(key, "must be a whole number from 0 to 4294967295");
    return number;
  }

  std::optional<bool> optional_flag(std::string_view key) {
    const auto value = optional_text(key);
    if (!value) return std::nullopt;
    if (value != "true" && value != "false") fail(key, "must be true or false");
    return value == "true";
  }

  netlink::IpAddress ip_address(std::string_view key) { return parsed_address(key, text(key)); }

  uint8_t prefix(std::string_view key, const netlink::IpAddress& address) {
    const auto length = optional_u32(key);
    if (!length || *length > address.size() * 8) fail(key, "must be a prefix length");
    return static_cast<uint8_t>(length.value_or(0));
  }

  std::vector<netlink::IpAddress> ip_addresses(std::string_view key) {
    std::vector<netlink::IpAddress> addresses;
    const std::string list = text(key);
    std::string_view rest = list;
    while (!rest.empty()) addresses.push_back(parsed_address(key, take(rest, ',')));
    return addresses;
  }

  // The default route has neither destination nor prefix.
  void destination(AddRoute& route) {
    const std::string whole = text("destination");
    if (whole == "default") return;
    std::string_view length = whole;
    const auto address = parsed_address("destination", take(length, '/'));
    const auto prefix = parse_number(length);
    if (!prefix || *prefix > address.size() * 8) fail("destination", "must be default or ADDRESS/PREFIX");
    route.destination = address;
    route.prefix = static_cast<uint8_t>(prefix.value_or(0));
  }

  LinkEnd link_end(const std::string& of = "") {
    LinkEnd end;
    end.netns = text(of + "netns");
    end.name = text(of + "name");
    end.master = optional_text(of + "master");
    if (const auto mac = optional_text(of + "mac")) {
      end.settings.mac = netlink::parse_mac(*mac);
      if (!end.settings.mac) fail(of + "mac", "must be a MAC address");
    }
    end.settings.mtu = optional_u32(of + "mtu");
    end.settings.group = optional_u32(of + "group");
    end.settings.alias = optional_text(of + "alias");
    end.settings.up = optional_flag(of + "up");
    return end;
  }

  const std::string& failure() const { return failure_; }

 private:
  static std::optional<uint32_t> parse_number(std::string_view text) {
    uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
  }

  netlink::IpAddress parsed_address(std::string_view key, std::string_view text) {
    const auto address = netlink::parse_ip_address(text);
    if (!address) fail(key, "must be an IP address");
    return address.value_or(netlink::IpAddress{});
  }

  void fail(std::string_view key, const char* what) {
    if (failure_.empty()) failure_ = std::string(key) + " " + what;
  }

  std::vector<std::pair<std::string_view, std::string_view>> fields_;
  std::string failure_;
};

std::optional<Step> parse_step(std::string_view op, Fields& fields) {
  if (op == "veth") {
    auto primary = fields.link_end();
    return AddVeth{std::move(primary), fields.link_end("peer.")};
  }
  if (op == "tap") {
    auto link = fields.link_end();
    const auto port = fields.optional_u32("port").value_or(0);
    return AddTap{std::move(link),
                  fields.text("control"),
                  port,
                  fields.text("label"),
                  fields.optional_text("vde").value_or(""),
                  fields.optional_text("mark")};
  }
  if (op == "adopt") {
    auto link = fields.link_end();
    return AdoptLink{std::move(link), fields.text("to"), fields.text("as")};
  }
  if (op == "bridge") return AddBridge{fields.link_end()};
  if (op == "link") return SetLink{fields.link_end()};
  if (op == "address") {
    const auto address = fields.ip_address("address");
    return AddAddress{fields.text("netns"), fields.text("name"), address, fields.prefix("prefix", address)};
  }
  if (op == "route") {
    AddRoute route{fields.text("netns"),
                   fields.text("name"),
                   std::nullopt,
                   0,
                   fields.ip_address("gateway"),
                   fields.optional_flag("keepExisting").value_or(false)};
    fields.destination(route);
    return route;
  }
  if (op == "tx-checksum-off") return DisableTxChecksum{fields.text("netns"), fields.text("name")};
  if (op == "sysctl") {
    return SetSysctl{fields.text("netns"), fields.text("key"), fields.text("value"),
                     fields.optional_flag("optional").value_or(false)};
  }
  if (op == "netns") return AddNamespace{fields.text("name"), fields.optional_text("alias").value_or("")};
  if (op == "ready") return AwaitReady{fields.text("netns"), fields.text("name")};
  if (op == "announce") return AnnounceAddresses{fields.text("netns"), fields.text("name")};
  if (op == "vacant") {
    return CheckVacant{fields.text("netns"), fields.text("name"), fields.optional_text("mac").value_or(""),
                       fields.ip_addresses("addresses")};
  }
  if (op == "meet") return Meet{};
  if (op == "alive") return CheckAlive{fields.text("netns")};
  return std::nullopt;
}

Error malformed(std::string_view line, const std::string& why) {
  return Error{"plan", EINVAL, "malformed step \"" + std::string(line) + "\": " + why, {}};
}

}  // namespace

Result<std::vector<Plan>> parse_plans(std::string_view text) {
  std::vector<Plan> plans;
  // To the kernel a text ends at its first zero: it would be another than the one that was checked.
  if (text.find('\0') != std::string_view::npos) return malformed("", "a text holds a zero byte");
  Plan plan;
  plan.reserve(kUsualSteps);
  Fields fields;
  while (!text.empty()) {
    const std::string_view line = take(text, '\n');
    if (line.empty()) {
      plans.push_back(std::exchange(plan, {}));
      plan.reserve(kUsualSteps);
      continue;
    }
    std::string_view rest = line;
    const auto op = take(rest, '\t');
    fields.read(rest);
    auto step = parse_step(op, fields);
    if (!step) return malformed(line, "unknown op");
    if (!fields.failure().empty()) return malformed(line, fields.failure());
    plan.push_back(std::move(*step));
  }
  if (!plan.empty()) return malformed("", "the last plan has no end");
  return plans;
}

}  // namespace ecdock::plan
