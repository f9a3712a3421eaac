#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "fd.h"
#include "test/fuzz/rounds.h"

// What those do with sockets who do not care what becomes of it.
namespace ecdock::fuzz {

Fd stream_to(const std::string& path);
void write_to(const Fd& fd, std::span<const uint8_t> bytes);
void write_to(const Fd& fd, const std::string& text);
// At most eight, in SCM_RIGHTS.
void write_with_descriptors(const Fd& fd, const std::string& text, std::span<const int> descriptors);

// A tap of the kernel, where that is allowed; else what is none.
Fd real_tap(Random& random);

// How many this process has.
size_t open_descriptors();

}  // namespace ecdock::fuzz
