#include <cmath>

#include "addon/values.h"

namespace ecdock::addon {

namespace {

std::optional<uint32_t> as_u32(const Napi::Value& value) {
  if (!value.IsNumber()) return std::nullopt;
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= UINT32_MAX) || number != std::floor(number)) return std::nullopt;
  return static_cast<uint32_t>(number);
}

// Text with a zero in it would be another text to the kernel than it was to whoever checked it.
std::optional<std::string> as_text(const Napi::Value& value) {
  if (!value.IsString()) return std::nullopt;
  auto text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

void throw_type_error(Napi::Env env, const std::string& message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
}

}  // namespace

void Reader::fail(const std::string& what) {
  if (!failure_) failure_ = where_ + ": " + what;
}

std::optional<Napi::Value> Reader::property(const char* key) {
  const Napi::Value value = object_.Get(key);
  if (value.IsEmpty() || value.IsUndefined() || value.IsNull()) return std::nullopt;
  return value;
}

std::optional<std::string> Reader::optional_text(const char* key) {
  const auto value = property(key);
  if (!value) return std::nullopt;
  auto text = as_text(*value);
  if (!text) fail(std::string(key) + " must be a string");
  return text;
}

std::string Reader::text(const char* key) {
  auto text = optional_text(key);
  if (!text) fail(std::string(key) + " is missing");
  return text.value_or("");
}

std::optional<uint32_t> Reader::optional_u32(const char* key) {
  const auto value = property(key);
  if (!value) return std::nullopt;
  const auto number = as_u32(*value);
  if (!number) fail(std::string(key) + " must be a whole number from 0 to 4294967295");
  return number;
}

uint32_t Reader::u32(const char* key) {
  const auto number = optional_u32(key);
  if (!number) fail(std::string(key) + " is missing");
  return number.value_or(0);
}

std::optional<bool> Reader::optional_flag(const char* key) {
  const auto value = property(key);
  if (!value) return std::nullopt;
  if (!value->IsBoolean()) {
    fail(std::string(key) + " must be true or false");
    return std::nullopt;
  }
  return value->As<Napi::Boolean>().Value();
}

bool Reader::flag(const char* key) { return optional_flag(key).value_or(false); }

std::vector<std::string> Reader::texts(const char* key) {
  std::vector<std::string> texts;
  const auto value = property(key);
  if (!value || !value->IsArray()) {
    fail(std::string(key) + " must be an array");
    return texts;
  }
  const auto array = value->As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    auto text = as_text(array.Get(i));
    if (!text) fail(std::string(key) + " must hold strings");
    texts.push_back(text.value_or(""));
  }
  return texts;
}

std::optional<Napi::Object> Reader::object(const char* key) {
  const auto value = property(key);
  if (!value || !value->IsObject()) {
    fail(std::string(key) + " must be an object");
    return std::nullopt;
  }
  return value->As<Napi::Object>();
}

netlink::IpAddress Reader::ip_address(const char* key) {
  const auto address = netlink::parse_ip_address(text(key));
  if (!address) fail(std::string(key) + " must be an IP address");
  return address.value_or(netlink::IpAddress{});
}

netlink::LinkSettings Reader::link_settings() {
  netlink::LinkSettings settings;
  if (const auto mac = optional_text("mac")) {
    settings.mac = netlink::parse_mac(*mac);
    if (!settings.mac) fail("mac must be a MAC address");
  }
  settings.mtu = optional_u32("mtu");
  settings.group = optional_u32("group");
  settings.alias = optional_text("alias");
  return settings;
}

std::optional<std::string> text_argument(const Napi::CallbackInfo& info, size_t index) {
  auto text = as_text(info[index]);
  if (!text) throw_type_error(info.Env(), "argument " + std::to_string(index) + " must be a string");
  return text;
}

std::optional<std::vector<std::string>> texts_argument(const Napi::CallbackInfo& info, size_t index) {
  auto wrapped = Napi::Object::New(info.Env());
  wrapped.Set("texts", info[index]);
  Reader reader(wrapped, "argument " + std::to_string(index));
  auto texts = reader.texts("texts");
  if (!reader.failure()) return texts;
  throw_type_error(info.Env(), *reader.failure());
  return std::nullopt;
}

std::optional<std::vector<probe::Echo>> echoes_argument(const Napi::CallbackInfo& info, size_t index) {
  constexpr uint32_t kMaxEchoes = 256;  // each holds a socket while it waits
  std::vector<probe::Echo> echoes;
  const auto array = info[index].IsArray() ? info[index].As<Napi::Array>() : Napi::Array::New(info.Env());
  if (!info[index].IsArray() || array.Length() > kMaxEchoes) {
    throw_type_error(info.Env(), "probes must be an array of at most 256");
    return std::nullopt;
  }
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    Reader reader(item.IsObject() ? item.As<Napi::Object>() : Napi::Object::New(info.Env()),
                  "probe " + std::to_string(i));
    echoes.push_back(
        {reader.text("netns"), reader.text("address"), static_cast<double>(reader.u32("timeoutMs"))});
    if (reader.failure()) {
      throw_type_error(info.Env(), *reader.failure());
      return std::nullopt;
    }
  }
  return echoes;
}

}  // namespace ecdock::addon
