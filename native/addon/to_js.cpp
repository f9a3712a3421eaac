#include "addon/values.h"
#include "errno_name.h"

namespace ecdock::addon {

Napi::Value to_js(Napi::Env env, const Error& error) {
  const Napi::Error made = Napi::Error::New(env, error.message);
  Napi::Object object = made.Value();
  object.Set("op", error.op);
  object.Set("errno", errno_name(error.err));
  if (!error.kernel_message.empty()) object.Set("kernelMessage", error.kernel_message);
  return object;
}

Napi::Value to_js(Napi::Env env, const Done&) { return env.Undefined(); }

Napi::Value to_js(Napi::Env env, const plan::Outcome& outcome) {
  auto object = Napi::Object::New(env);
  object.Set("ok", outcome.ok);
  object.Set("ms", outcome.ms);
  if (outcome.ok) {
    if (!outcome.ifname.empty()) object.Set("ifname", outcome.ifname);
    if (outcome.netns_id != 0) object.Set("netnsId", static_cast<double>(outcome.netns_id));
    if (outcome.ifindex != 0) object.Set("ifindex", outcome.ifindex);
    return object;
  }
  object.Set("step", static_cast<double>(outcome.step));
  object.Set("op", outcome.error.op);
  object.Set("errno", errno_name(outcome.error.err));
  object.Set("message", outcome.error.message);
  if (!outcome.error.kernel_message.empty()) object.Set("kernelMessage", outcome.error.kernel_message);
  if (!outcome.taken.empty()) object.Set("taken", outcome.taken);
  if (!outcome.taken_by.empty()) object.Set("takenBy", outcome.taken_by);
  if (outcome.undo_failed) object.Set("undoFailed", true);
  return object;
}

Napi::Value to_js(Napi::Env env, const netlink::Link& link) {
  auto stats = Napi::Object::New(env);
  stats.Set("rxPackets", static_cast<double>(link.stats.rx_packets));
  stats.Set("txPackets", static_cast<double>(link.stats.tx_packets));
  stats.Set("rxBytes", static_cast<double>(link.stats.rx_bytes));
  stats.Set("txBytes", static_cast<double>(link.stats.tx_bytes));
  stats.Set("rxErrors", static_cast<double>(link.stats.rx_errors));
  stats.Set("txErrors", static_cast<double>(link.stats.tx_errors));
  stats.Set("rxDropped", static_cast<double>(link.stats.rx_dropped));
  stats.Set("txDropped", static_cast<double>(link.stats.tx_dropped));

  auto object = Napi::Object::New(env);
  object.Set("ifindex", link.ifindex);
  object.Set("name", link.name);
  object.Set("kind", link.kind);
  object.Set("group", link.group);
  object.Set("alias", link.alias);
  object.Set("master", link.master);
  object.Set("peer", link.peer);
  object.Set("mac", link.mac);
  object.Set("mtu", link.mtu);
  object.Set("up", link.up);
  object.Set("carrier", link.carrier);
  object.Set("stats", stats);
  return object;
}

Napi::Value to_js(Napi::Env env, const std::optional<netlink::Link>& link) {
  return link ? to_js(env, *link) : env.Undefined();
}

Napi::Value to_js(Napi::Env env, const netlink::InterfaceAddress& address) {
  auto object = Napi::Object::New(env);
  object.Set("ifindex", address.ifindex);
  object.Set("address", netlink::format_ip_address(address.address));
  object.Set("prefix", static_cast<int>(address.prefix));
  return object;
}

Napi::Value to_js(Napi::Env env, const netns::Named& named) {
  auto object = Napi::Object::New(env);
  object.Set("name", named.name);
  object.Set("path", named.path);
  object.Set("id", static_cast<double>(named.id));
  return object;
}

Napi::Value to_js(Napi::Env env, const probe::EchoOutcome& outcome) {
  auto object = Napi::Object::New(env);
  object.Set("reply", outcome.reply);
  object.Set("rttUs", outcome.rtt_us);
  if (!outcome.error.empty()) object.Set("error", outcome.error);
  return object;
}

Napi::Value to_js(Napi::Env env, removal::Outcome outcome) {
  switch (outcome) {
    case removal::Outcome::kDeleted:
      return Napi::String::New(env, "deleted");
    case removal::Outcome::kAbsent:
      return Napi::String::New(env, "absent");
    case removal::Outcome::kForeign:
      return Napi::String::New(env, "foreign");
  }
  return env.Undefined();
}

Napi::Value to_js(Napi::Env env, ino_t id) { return Napi::Number::New(env, static_cast<double>(id)); }

}  // namespace ecdock::addon
