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

std::nullopt_t type_error(Napi::Env env, const std::string& message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
  return std::nullopt;
}

std::optional<probe::Echo> as_echo(const Napi::Value& value) {
  if (!value.IsObject()) return std::nullopt;
  const auto object = value.As<Napi::Object>();
  auto netns = as_text(object.Get("netns"));
  auto address = as_text(object.Get("address"));
  const auto timeout = as_u32(object.Get("timeoutMs"));
  if (!netns || !address || !timeout || *timeout > probe::kLongestTimeoutMs) return std::nullopt;
  return probe::Echo{std::move(*netns), std::move(*address), static_cast<double>(*timeout)};
}

}  // namespace

std::optional<std::string> text_argument(const Napi::CallbackInfo& info, size_t index) {
  auto text = as_text(info[index]);
  if (!text) return type_error(info.Env(), "argument " + std::to_string(index) + " must be a string");
  return text;
}

std::optional<uint32_t> u32_argument(const Napi::CallbackInfo& info, size_t index) {
  const auto number = as_u32(info[index]);
  if (!number) return type_error(info.Env(), "argument " + std::to_string(index) + " must be a whole number");
  return number;
}

std::optional<std::vector<std::span<const uint8_t>>> buffers_argument(const Napi::CallbackInfo& info,
                                                                      size_t index) {
  const std::string wanted = "argument " + std::to_string(index) + " must be an array of Uint8Arrays";
  if (!info[index].IsArray()) return type_error(info.Env(), wanted);
  const auto array = info[index].As<Napi::Array>();
  std::vector<std::span<const uint8_t>> buffers;
  buffers.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsTypedArray() || item.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
      return type_error(info.Env(), wanted);
    }
    const auto bytes = item.As<Napi::Uint8Array>();
    buffers.emplace_back(bytes.Data(), bytes.ByteLength());
  }
  return buffers;
}

std::optional<std::vector<std::string>> texts_argument(const Napi::CallbackInfo& info, size_t index) {
  const std::string wanted = "argument " + std::to_string(index) + " must be an array of strings";
  if (!info[index].IsArray()) return type_error(info.Env(), wanted);
  const auto array = info[index].As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    auto text = as_text(array.Get(i));
    if (!text) return type_error(info.Env(), wanted);
    texts.push_back(std::move(*text));
  }
  return texts;
}

std::optional<std::vector<int>> ifindexes_argument(const Napi::CallbackInfo& info, size_t index) {
  const std::string wanted = "argument " + std::to_string(index) + " must be an array of interface indexes";
  if (!info[index].IsArray()) return type_error(info.Env(), wanted);
  const auto array = info[index].As<Napi::Array>();
  std::vector<int> ifindexes;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto number = as_u32(array.Get(i));
    if (!number || *number == 0 || *number > INT32_MAX) return type_error(info.Env(), wanted);
    ifindexes.push_back(static_cast<int>(*number));
  }
  return ifindexes;
}

std::optional<std::vector<removal::MarkedLink>> marked_links_argument(const Napi::CallbackInfo& info,
                                                                      size_t index) {
  const char* wanted = "links must be an array of { name, mark }, and no mark may be empty";
  if (!info[index].IsArray()) return type_error(info.Env(), wanted);
  const auto array = info[index].As<Napi::Array>();
  std::vector<removal::MarkedLink> links;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsObject()) return type_error(info.Env(), wanted);
    auto name = as_text(item.As<Napi::Object>().Get("name"));
    auto mark = as_text(item.As<Napi::Object>().Get("mark"));
    if (!name || !mark || mark->empty()) return type_error(info.Env(), wanted);
    links.push_back({std::move(*name), std::move(*mark)});
  }
  return links;
}

std::optional<std::vector<removal::ScatteredLink>> scattered_links_argument(const Napi::CallbackInfo& info,
                                                                            size_t index) {
  auto marked = marked_links_argument(info, index);
  if (!marked) return std::nullopt;
  const auto array = info[index].As<Napi::Array>();
  std::vector<removal::ScatteredLink> links;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    auto netns = as_text(array.Get(i).As<Napi::Object>().Get("netns"));
    if (!netns) return type_error(info.Env(), "each of the links must have a netns");
    links.push_back({std::move(*netns), std::move((*marked)[i])});
  }
  return links;
}

std::optional<std::vector<probe::Echo>> echoes_argument(const Napi::CallbackInfo& info, size_t index) {
  constexpr uint32_t kMaxEchoes = 256;  // each holds a socket while it waits
  if (!info[index].IsArray() || info[index].As<Napi::Array>().Length() > kMaxEchoes) {
    return type_error(info.Env(), "probes must be an array of at most 256");
  }
  const auto array = info[index].As<Napi::Array>();
  std::vector<probe::Echo> echoes;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    auto echo = as_echo(array.Get(i));
    if (!echo)
      return type_error(info.Env(), "a probe has netns, address and timeoutMs, a whole number up to 60000");
    echoes.push_back(std::move(*echo));
  }
  return echoes;
}

}  // namespace ecdock::addon
