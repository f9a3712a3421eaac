#pragma once

#include <napi.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "netlink/address.h"
#include "netlink/link.h"
#include "netns/network_namespace.h"
#include "plan/plan.h"
#include "probe/echo.h"
#include "removal/removal.h"
#include "removal/scattered.h"
#include "result.h"

namespace ecdock::addon {

// Each throws a TypeError into JavaScript and answers nothing when the value is not of its type.
std::optional<std::string> text_argument(const Napi::CallbackInfo& info, size_t index);
std::optional<uint32_t> u32_argument(const Napi::CallbackInfo& info, size_t index);
// The memory is JavaScript's: good for as long as the call lasts.
std::optional<std::vector<std::span<const uint8_t>>> buffers_argument(const Napi::CallbackInfo& info,
                                                                      size_t index);
std::optional<std::vector<std::string>> texts_argument(const Napi::CallbackInfo& info, size_t index);
std::optional<std::vector<int>> ifindexes_argument(const Napi::CallbackInfo& info, size_t index);
std::optional<std::vector<removal::MarkedLink>> marked_links_argument(const Napi::CallbackInfo& info,
                                                                      size_t index);
std::optional<std::vector<removal::ScatteredLink>> scattered_links_argument(const Napi::CallbackInfo& info,
                                                                            size_t index);
std::optional<std::vector<probe::Echo>> echoes_argument(const Napi::CallbackInfo& info, size_t index);

Napi::Value to_js(Napi::Env env, const Error& error);
Napi::Value to_js(Napi::Env env, const Done&);
Napi::Value to_js(Napi::Env env, const plan::Outcome& outcome);
Napi::Value to_js(Napi::Env env, const netlink::Link& link);
Napi::Value to_js(Napi::Env env, const std::optional<netlink::Link>& link);
Napi::Value to_js(Napi::Env env, const netlink::InterfaceAddress& address);
Napi::Value to_js(Napi::Env env, const netns::Named& named);
Napi::Value to_js(Napi::Env env, const probe::EchoOutcome& outcome);
Napi::Value to_js(Napi::Env env, removal::Outcome outcome);
Napi::Value to_js(Napi::Env env, ino_t id);

template <class T>
Napi::Value to_js(Napi::Env env, const std::vector<T>& items) {
  auto array = Napi::Array::New(env, items.size());
  for (size_t i = 0; i < items.size(); ++i) array.Set(static_cast<uint32_t>(i), to_js(env, items[i]));
  return array;
}

}  // namespace ecdock::addon
