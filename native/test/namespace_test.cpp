#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "netns/network_namespace.h"
#include "plan/sysctl.h"

using namespace ecdock;

TEST_CASE("the own namespace is opened, and known by its inode") {
  const auto own = netns::open_namespace("");
  REQUIRE(own.ok());
  struct stat status;
  REQUIRE(::stat("/proc/self/ns/net", &status) == 0);
  CHECK(own.value().id == status.st_ino);
  const auto again = netns::open_namespace("/proc/" + std::to_string(::getpid()) + "/ns/net");
  REQUIRE(again.ok());
  CHECK(again.value().id == own.value().id);
}

TEST_CASE("what is no network namespace is refused without being opened for reading") {
  CHECK(netns::open_namespace("/etc/passwd").error().err == ENOTTY);
  CHECK(netns::open_namespace("/proc/self/ns/uts").error().err == ENOTTY);
  CHECK(netns::open_namespace("/").error().err == ENOTTY);
  CHECK(netns::open_namespace("/no/such/file").error().err == ENOENT);

  // Opening a FIFO that nobody writes to would block for ever.
  char directory[] = "/tmp/ecdock-test-XXXXXX";
  REQUIRE(::mkdtemp(directory) != nullptr);
  const std::string fifo = std::string(directory) + "/fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(netns::open_namespace(fifo).error().err == ENOTTY);
  ::unlink(fifo.c_str());
  ::rmdir(directory);
}

TEST_CASE("the name of a namespace cannot lead out of its directory") {
  char directory[] = "/tmp/ecdock-test-XXXXXX";
  REQUIRE(::mkdtemp(directory) != nullptr);
  const std::string victim = std::string(directory) + "/victim";
  REQUIRE(Fd(::open(victim.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)).valid());
  for (const std::string& name : {"../.." + victim, victim, std::string("."), std::string(".."),
                                  std::string(), std::string("a/b"), std::string("a\0b", 3)}) {
    CHECK(netns::delete_named(name).error().err == EINVAL);
    CHECK(netns::create_named(name, "").error().err == EINVAL);
  }
  CHECK(::unlink(victim.c_str()) == 0);
  ::rmdir(directory);
}

TEST_CASE("of the files in the directory of namespaces, only names of namespaces are deleted" *
          doctest::skip(::geteuid() != 0)) {
  ::mkdir(netns::kNamedDirectory, 0755);
  const std::string path = std::string(netns::kNamedDirectory) + "/ecdock-test";
  {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    REQUIRE(file.valid());
    REQUIRE(::write(file.get(), "x", 1) == 1);
    CHECK(netns::delete_named("ecdock-test").error().err == EINVAL);
    REQUIRE(::ftruncate(file.get(), 0) == 0);
  }
  CHECK(netns::delete_named("ecdock-test").ok());  // what is left of a name
  REQUIRE(::symlink("/proc/self/ns/net", path.c_str()) == 0);
  CHECK(netns::delete_named("ecdock-test").error().err == EINVAL);
  CHECK(::unlink(path.c_str()) == 0);
  CHECK(netns::delete_named("ecdock-test").error().err == ENOENT);
}

TEST_CASE("a sysctl key cannot lead out of /proc/sys/net") {
  for (const auto* key : {"", "/etc/passwd", "../kernel/hostname", "ipv4/../../kernel/hostname"}) {
    CHECK(plan::write_sysctl(key, "1").error().err == EINVAL);
  }
}
