#include "removal/removal.h"

#include <cerrno>
#include <map>
#include <random>
#include <set>
#include <unordered_map>

#include "netlink/link.h"

namespace ecdock::removal {

namespace {

using netlink::Link;
using netlink::Statistics;

// A link that somebody else deleted in the meantime is as good as deleted.
Status unless_gone(Status status) {
  if (!status.ok() && (status.error().err == ENODEV || status.error().err == ESRCH)) return Done{};
  return status;
}

uint32_t unused_group(const std::vector<Link>& links) {
  std::set<uint32_t> used{0};  // the group of every link that nobody has put elsewhere
  for (const auto& link : links) used.insert(link.group);
  std::random_device random;
  for (;;) {
    const uint32_t group = random() & INT32_MAX;
    if (!used.contains(group)) return group;
  }
}

// Puts them back where `links` says they were, as far as they are there.
void put_back(netlink::Socket& socket, const std::vector<Link>& links, const std::vector<int>& ifindexes) {
  const std::set<int> moved(ifindexes.begin(), ifindexes.end());
  std::map<uint32_t, std::vector<int>> groups;
  for (const auto& link : links) {
    if (moved.contains(link.ifindex)) groups[link.group].push_back(link.ifindex);
  }
  for (const auto& [group, members] : groups) (void)netlink::set_group(socket, members, group);
}

// `links` are all links of the namespace.
Status delete_among(netlink::Socket& socket, const std::vector<Link>& links,
                    const std::vector<int>& ifindexes) {
  const uint32_t group = unused_group(links);
  for (auto& grouped : netlink::set_group(socket, ifindexes, group)) {
    if (auto there = unless_gone(std::move(grouped)); !there.ok()) {
      put_back(socket, links, ifindexes);
      return there;
    }
  }
  return unless_gone(netlink::delete_group(socket, group));
}

Outcome judge(const Link& link, const MarkedLink& wanted) {
  return link.alias.starts_with(wanted.mark) ? Outcome::kDeleted : Outcome::kForeign;
}

Result<Outcome> delete_one(netlink::Socket& socket, const MarkedLink& wanted) {
  auto link = netlink::get_link(socket, wanted.name, Statistics::kSkipped);
  if (!link.ok() && link.error().err == ENODEV) return Outcome::kAbsent;
  if (!link.ok()) return link.error();
  if (judge(link.value(), wanted) == Outcome::kForeign) return Outcome::kForeign;
  auto deleted = unless_gone(netlink::delete_link(socket, link.value().ifindex));
  if (!deleted.ok()) return deleted.error();
  return Outcome::kDeleted;
}

}  // namespace

Status delete_links(netlink::Socket& socket, const std::vector<int>& ifindexes) {
  if (ifindexes.empty()) return Done{};
  if (ifindexes.size() == 1) return unless_gone(netlink::delete_link(socket, ifindexes.front()));
  auto links = netlink::list_links(socket, Statistics::kSkipped);
  if (!links.ok()) return links.error();
  return delete_among(socket, links.value(), ifindexes);
}

Result<std::vector<Outcome>> delete_marked(netlink::Socket& socket, const std::vector<MarkedLink>& wanted) {
  if (wanted.size() == 1) {
    auto outcome = delete_one(socket, wanted.front());
    if (!outcome.ok()) return outcome.error();
    return std::vector{outcome.value()};
  }
  auto links = netlink::list_links(socket, Statistics::kSkipped);
  if (!links.ok()) return links.error();
  std::unordered_map<std::string_view, const Link*> by_name;
  for (const auto& link : links.value()) by_name.emplace(link.name, &link);
  std::vector<Outcome> outcomes;
  std::vector<int> doomed;
  for (const auto& one : wanted) {
    const auto found = by_name.find(one.name);
    outcomes.push_back(found == by_name.end() ? Outcome::kAbsent : judge(*found->second, one));
    if (outcomes.back() == Outcome::kDeleted) doomed.push_back(found->second->ifindex);
  }
  if (doomed.empty()) return outcomes;
  auto deleted = doomed.size() == 1 ? unless_gone(netlink::delete_link(socket, doomed.front()))
                                    : delete_among(socket, links.value(), doomed);
  if (!deleted.ok()) return deleted.error();
  return outcomes;
}

}  // namespace ecdock::removal
