#include <napi.h>

#include <atomic>
#include <cerrno>

#include "addon/datagrams.h"
#include "addon/dispatcher.h"
#include "addon/values.h"
#include "file_lock.h"
#include "netlink/address.h"
#include "netlink/link.h"
#include "netns/network_namespace.h"
#include "plan/executor.h"
#include "plan/place.h"
#include "plan/plan_text.h"
#include "probe/echo.h"
#include "removal/removal.h"
#include "tap/control.h"
#include "worker/worker.h"

namespace ecdock::addon {

namespace {

// Opens a netlink socket in the namespace at `path`.
Result<netlink::Socket> socket_in(const std::string& path) {
  auto netns = netns::open_namespace(path);
  if (!netns.ok()) return netns.error();
  auto inside = netns::Scope::enter(netns.value());
  if (!inside.ok()) return inside.error();
  return netlink::Socket::open();
}

template <class T>
void settle(Napi::Env env, const Napi::Promise::Deferred& deferred, const Result<T>& outcome) {
  if (outcome.ok()) {
    deferred.Resolve(to_js(env, outcome.value()));
  } else {
    deferred.Reject(to_js(env, outcome.error()));
  }
}

Result<std::vector<std::optional<netlink::Link>>> find_links(const std::string& path,
                                                             const std::vector<std::string>& names) {
  auto socket = socket_in(path);
  if (!socket.ok()) return socket.error();
  std::vector<std::optional<netlink::Link>> links;
  links.reserve(names.size());
  for (const auto& name : names) {
    auto link = netlink::get_link(socket.value(), name);
    if (!link.ok() && link.error().err != ENODEV) return link.error();
    links.push_back(link.ok() ? std::optional(std::move(link.value())) : std::nullopt);
  }
  return links;
}

Result<std::vector<netns::Named>> create_namespaces(const std::vector<std::string>& names,
                                                    const std::string& alias) {
  std::vector<netns::Named> made;
  for (const auto& name : names) {
    auto one = netns::create_named(name, alias);
    if (!one.ok()) {
      for (const auto& earlier : made) (void)netns::delete_named(earlier.name);
      return one.error();
    }
    made.push_back(std::move(one.value()));
  }
  return made;
}

// What a thread keeps open from one plan to the next.
void forget_what_was_kept() {
  plan::forget_places();
  tap::forget_kept_connection();
}

// Deletes all that it can; the first error is told.
Status delete_namespaces(const std::vector<std::string>& names) {
  Status outcome = Done{};
  for (const auto& name : names) {
    auto deleted = netns::delete_named(name);
    if (!deleted.ok() && outcome.ok()) outcome = deleted.error();
  }
  return outcome;
}

}  // namespace

class Addon : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env env, Napi::Object exports) : dispatcher_(env), datagrams_(env) {
    env.AddCleanupHook([](Addon* self) { self->end(); }, this);
    DefineAddon(exports, {
                             InstanceMethod("execute", &Addon::execute),
                             InstanceMethod("stayAwake", &Addon::stay_awake),
                             InstanceMethod("expect", &Addon::expect),
                             InstanceMethod("links", &Addon::links),
                             InstanceMethod("linksByName", &Addon::links_by_name),
                             InstanceMethod("addresses", &Addon::addresses),
                             InstanceMethod("deleteLinks", &Addon::delete_links_by_index),
                             InstanceMethod("deleteMarkedLinks", &Addon::delete_marked),
                             InstanceMethod("deleteScatteredLinks", &Addon::delete_scattered),
                             InstanceMethod("createNamespaces", &Addon::create),
                             InstanceMethod("deleteNamespaces", &Addon::remove),
                             InstanceMethod("namespaces", &Addon::namespaces),
                             InstanceMethod("namespaceId", &Addon::namespace_id),
                             InstanceMethod("probe", &Addon::probe),
                             InstanceMethod("tryLock", &Addon::lock),
                             InstanceMethod("datagramBind", &Addon::datagram_bind),
                             InstanceMethod("datagramConnect", &Addon::datagram_connect),
                             InstanceMethod("datagramSend", &Addon::datagram_send),
                             InstanceMethod("datagramTake", &Addon::datagram_take),
                             InstanceMethod("datagramClose", &Addon::datagram_close),
                         });
  }

 private:
  // The threads end before what they report to.
  void end() {
    probes_stop_ = true;
    plumbing_.stop();
    reading_.stop();
    probing_.stop();
    dispatcher_.close();
    datagrams_.close();
  }

  Napi::Value datagram_bind(const Napi::CallbackInfo& info) { return datagrams_.bind(info); }
  Napi::Value datagram_connect(const Napi::CallbackInfo& info) { return datagrams_.connect(info); }
  Napi::Value datagram_send(const Napi::CallbackInfo& info) { return datagrams_.send(info); }
  Napi::Value datagram_take(const Napi::CallbackInfo& info) { return datagrams_.take(info); }
  Napi::Value datagram_close(const Napi::CallbackInfo& info) { return datagrams_.close_one(info); }

  template <class T>
  Napi::Value run(const Napi::CallbackInfo& info, worker::Worker& worker, std::function<Result<T>()> work) {
    return dispatcher_.run<T>(info.Env(), worker, Dispatcher::Wait::kAsleep, std::move(work), settle<T>);
  }

  Napi::Value execute(const Napi::CallbackInfo& info) {
    auto text = text_argument(info, 0);
    if (!text) return info.Env().Undefined();
    const auto wait = info[1].ToBoolean() ? Dispatcher::Wait::kAwake : Dispatcher::Wait::kAsleep;
    using Outcomes = std::vector<plan::Outcome>;
    return dispatcher_.run<Outcomes>(
        info.Env(), plumbing_, wait,
        // The executor goes with this closure, when the outcome is on its way already: closing its sockets
        // and namespaces takes time that nobody has to wait for.
        [executor = std::make_shared<plan::Executor>(), text = std::move(*text)]() -> Result<Outcomes> {
          auto plans = plan::parse_plans(text);
          if (!plans.ok()) return plans.error();
          return executor->run(plans.value());
        },
        settle<Outcomes>);
  }

  Napi::Value stay_awake(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), dispatcher_.stay_awake(info.Env()));
  }

  Napi::Value expect(const Napi::CallbackInfo& info) {
    auto path = text_argument(info, 0);
    if (!path) return info.Env().Undefined();
    plumbing_.submit([path = std::move(*path)](const Status& ready) {
      if (ready.ok()) plan::expect_place(path);
    });
    return info.Env().Undefined();
  }

  Napi::Value links(const Napi::CallbackInfo& info) {
    auto path = text_argument(info, 0);
    if (!path) return info.Env().Undefined();
    using Links = std::vector<netlink::Link>;
    return run<Links>(info, reading_, [path = *path]() -> Result<Links> {
      auto socket = socket_in(path);
      if (!socket.ok()) return socket.error();
      return netlink::list_links(socket.value(), netlink::Statistics::kWanted);
    });
  }

  Napi::Value links_by_name(const Napi::CallbackInfo& info) {
    auto path = text_argument(info, 0);
    if (!path) return info.Env().Undefined();
    auto names = texts_argument(info, 1);
    if (!names) return info.Env().Undefined();
    return run<std::vector<std::optional<netlink::Link>>>(
        info, reading_, [path = *path, names = *names] { return find_links(path, names); });
  }

  Napi::Value addresses(const Napi::CallbackInfo& info) {
    auto path = text_argument(info, 0);
    if (!path) return info.Env().Undefined();
    using Addresses = std::vector<netlink::InterfaceAddress>;
    return run<Addresses>(info, reading_, [path = *path]() -> Result<Addresses> {
      auto socket = socket_in(path);
      if (!socket.ok()) return socket.error();
      return netlink::list_addresses(socket.value());
    });
  }

  Napi::Value delete_links_by_index(const Napi::CallbackInfo& info) {
    auto path = text_argument(info, 0);
    if (!path) return info.Env().Undefined();
    auto ifindexes = ifindexes_argument(info, 1);
    if (!ifindexes) return info.Env().Undefined();
    return run<Done>(info, plumbing_, [path = *path, ifindexes = std::move(*ifindexes)]() -> Status {
      auto socket = socket_in(path);
      if (!socket.ok()) return socket.error();
      return removal::delete_links(socket.value(), ifindexes);
    });
  }

  Napi::Value delete_marked(const Napi::CallbackInfo& info) {
    auto path = text_argument(info, 0);
    if (!path) return info.Env().Undefined();
    auto links = marked_links_argument(info, 1);
    if (!links) return info.Env().Undefined();
    using Outcomes = std::vector<removal::Outcome>;
    return run<Outcomes>(info, plumbing_, [path = *path, links = std::move(*links)]() -> Result<Outcomes> {
      auto socket = socket_in(path);
      if (!socket.ok()) return socket.error();
      return removal::delete_marked(socket.value(), links);
    });
  }

  Napi::Value delete_scattered(const Napi::CallbackInfo& info) {
    auto links = scattered_links_argument(info, 0);
    if (!links) return info.Env().Undefined();
    using Outcomes = std::vector<removal::Outcome>;
    return run<Outcomes>(info, plumbing_,
                         [links = std::move(*links)] { return removal::delete_scattered(links); });
  }

  Napi::Value create(const Napi::CallbackInfo& info) {
    auto names = texts_argument(info, 0);
    if (!names) return info.Env().Undefined();
    const std::string alias = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
    return run<std::vector<netns::Named>>(
        info, plumbing_, [names = *names, alias] { return create_namespaces(names, alias); });
  }

  Napi::Value remove(const Napi::CallbackInfo& info) {
    auto names = texts_argument(info, 0);
    if (!names) return info.Env().Undefined();
    return run<Done>(info, plumbing_, [names = *names] { return delete_namespaces(names); });
  }

  Napi::Value namespaces(const Napi::CallbackInfo& info) {
    return run<std::vector<netns::Named>>(info, reading_, [] { return netns::list_named(); });
  }

  Napi::Value namespace_id(const Napi::CallbackInfo& info) {
    auto path = text_argument(info, 0);
    if (!path) return info.Env().Undefined();
    return run<ino_t>(info, reading_, [path = *path]() -> Result<ino_t> {
      auto netns = netns::open_namespace(path);
      if (!netns.ok()) return netns.error();
      return netns.value().id;
    });
  }

  Napi::Value probe(const Napi::CallbackInfo& info) {
    auto echoes = echoes_argument(info, 0);
    if (!echoes) return info.Env().Undefined();
    using Outcomes = std::vector<probe::EchoOutcome>;
    return run<Outcomes>(info, probing_, [this, echoes = std::move(*echoes)]() -> Result<Outcomes> {
      return probe::send_echoes(echoes, probes_stop_);
    });
  }

  Napi::Value lock(const Napi::CallbackInfo& info) {
    const auto descriptor = u32_argument(info, 0);
    if (!descriptor) return info.Env().Undefined();
    const auto locked = try_lock(static_cast<int>(*descriptor));
    if (locked.ok()) return Napi::Boolean::New(info.Env(), locked.value());
    Napi::Error(info.Env(), to_js(info.Env(), locked.error())).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }

  std::atomic<bool> probes_stop_{false};
  Dispatcher dispatcher_;
  Datagrams datagrams_;
  // RTNL is one lock for the host, so a second thread would make no link faster; it keeps plugs in order.
  worker::Worker plumbing_{1, forget_what_was_kept};
  // Dumps wait for the kernel, and must not hold up a plug.
  worker::Worker reading_{2};
  // Probes wait for the network, seconds long, and must not hold up anything else.
  worker::Worker probing_{2};
};

NODE_API_ADDON(Addon)

}  // namespace ecdock::addon
