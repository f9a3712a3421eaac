#pragma once

#include <string>

#include "fd.h"
#include "result.h"

namespace ecdock::vde {

// Goes into the background as daemon(3) does, except that the first process ends only when the other one is
// ready, or with its status when it fails. To be called before any thread and event loop exists.
class Background {
 public:
  // In the background process; the first one does not return.
  static Result<Background> enter();
  // Nothing went anywhere.
  Background() = default;

  // Lets the first process end with success; from here on stdin, stdout and stderr lead to nothing.
  void ready();

 private:
  explicit Background(Fd pipe) : pipe_(std::move(pipe)) {}
  Fd pipe_;
};

// The file with the process id, which is removed at the end.
class PidFile {
 public:
  // Nothing happens when the path is empty. The file of a process that has ended is replaced; EEXIST when it
  // runs.
  static Result<PidFile> write(const std::string& path);
  PidFile(PidFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  PidFile& operator=(PidFile&&) = delete;
  ~PidFile();

 private:
  explicit PidFile(std::string path) : path_(std::move(path)) {}
  std::string path_;  // absolute
};

}  // namespace ecdock::vde
