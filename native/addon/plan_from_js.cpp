#include <functional>
#include <map>

#include "addon/values.h"

namespace ecdock::addon {

namespace {

plan::LinkEnd link_end(Reader& reader) {
  plan::LinkEnd end;
  end.netns = reader.text("netns");
  end.name = reader.text("name");
  end.master = reader.optional_text("master");
  end.settings = reader.link_settings();
  end.settings.up = reader.optional_flag("up");
  return end;
}

plan::Step veth(Reader& reader) {
  plan::AddVeth step;
  step.primary = link_end(reader);
  const auto peer = reader.object("peer");
  if (!peer) return step;
  Reader inner(*peer, "peer");
  step.peer = link_end(inner);
  if (inner.failure()) reader.fail(*inner.failure());
  return step;
}

plan::Step bridge(Reader& reader) { return plan::AddBridge{link_end(reader)}; }

plan::Step link(Reader& reader) { return plan::SetLink{link_end(reader)}; }

plan::Step address(Reader& reader) {
  return plan::AddAddress{reader.text("netns"), reader.text("name"), reader.ip_address("address"),
                          static_cast<uint8_t>(reader.u32("prefix"))};
}

plan::Step route(Reader& reader) {
  plan::AddRoute step{reader.text("netns"),         reader.text("name"),        std::nullopt, 0,
                      reader.ip_address("gateway"), reader.flag("keepExisting")};
  const std::string destination = reader.text("destination");
  if (destination == "default") return step;
  const size_t slash = destination.find('/');
  step.destination = netlink::parse_ip_address(destination.substr(0, slash));
  const std::string prefix = slash == std::string::npos ? "" : destination.substr(slash + 1);
  const bool number =
      !prefix.empty() && prefix.size() <= 3 && prefix.find_first_not_of("0123456789") == std::string::npos;
  const int length = number ? std::stoi(prefix) : -1;
  if (!step.destination || length < 0 || length > static_cast<int>(step.destination->size()) * 8) {
    reader.fail("destination must be 'default' or ADDRESS/PREFIX");
    return step;
  }
  step.prefix = static_cast<uint8_t>(length);
  return step;
}

plan::Step tx_checksum_off(Reader& reader) {
  return plan::DisableTxChecksum{reader.text("netns"), reader.text("name")};
}

plan::Step sysctl(Reader& reader) {
  return plan::SetSysctl{reader.text("netns"), reader.text("key"), reader.text("value")};
}

plan::Step netns(Reader& reader) {
  return plan::AddNamespace{reader.text("name"), reader.optional_text("alias").value_or("")};
}

plan::Step ready(Reader& reader) { return plan::AwaitReady{reader.text("netns"), reader.text("name")}; }

plan::Step vacant(Reader& reader) {
  plan::CheckVacant step{
      reader.text("netns"), reader.text("name"), reader.optional_text("mac").value_or(""), {}};
  for (const auto& text : reader.texts("addresses")) {
    const auto address = netlink::parse_ip_address(text);
    if (!address) reader.fail("addresses must hold IP addresses");
    step.addresses.push_back(address.value_or(netlink::IpAddress{}));
  }
  return step;
}

plan::Step alive(Reader& reader) { return plan::CheckAlive{reader.text("netns")}; }

const std::map<std::string, std::function<plan::Step(Reader&)>> kSteps = {
    {"veth", veth},   {"bridge", bridge}, {"link", link},   {"address", address},
    {"route", route}, {"sysctl", sysctl}, {"netns", netns}, {"tx-checksum-off", tx_checksum_off},
    {"ready", ready}, {"vacant", vacant}, {"alive", alive},
};

std::optional<plan::Plan> plan_from(Napi::Env env, const Napi::Value& value, const std::string& where) {
  plan::Plan steps;
  const auto fail = [&](const std::string& message) {
    Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
    return std::nullopt;
  };
  if (!value.IsObject()) return fail(where + " must be an object");
  const Napi::Value list = value.As<Napi::Object>().Get("steps");
  if (!list.IsArray()) return fail(where + ".steps must be an array");
  const auto array = list.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(env);
    const std::string step = where + ".steps[" + std::to_string(i) + "]";
    const Napi::Value item = array.Get(i);
    if (!item.IsObject()) return fail(step + " must be an object");
    Reader reader(item.As<Napi::Object>(), step);
    const auto kind = kSteps.find(reader.text("op"));
    if (kind == kSteps.end()) return fail(step + ": unknown op");
    steps.push_back(kind->second(reader));
    if (reader.failure()) return fail(*reader.failure());
  }
  return steps;
}

}  // namespace

std::optional<std::vector<plan::Plan>> plans_argument(const Napi::CallbackInfo& info, size_t index) {
  const Napi::Env env = info.Env();
  std::vector<plan::Plan> plans;
  if (!info[index].IsArray()) {
    Napi::TypeError::New(env, "plans must be an array").ThrowAsJavaScriptException();
    return std::nullopt;
  }
  const auto array = info[index].As<Napi::Array>();
  plans.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) {
    auto plan = plan_from(env, array.Get(i), "plans[" + std::to_string(i) + "]");
    if (!plan) return std::nullopt;
    plans.push_back(std::move(*plan));
  }
  return plans;
}

}  // namespace ecdock::addon
