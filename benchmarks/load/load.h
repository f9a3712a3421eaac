// What all kinds of traffic need.
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include <pthread.h>

// Prints what failed and ends the program: a benchmark never skips a number.
void die(const char* what, int error) __attribute__((noreturn));

// In ns, of CLOCK_MONOTONIC.
long long now(void);
void sleep_until(long long when);

pthread_t begin_thread(void* (*body)(void*), void* argument);

// An IPv4 socket in the namespace of that path. The thread comes back to its own.
int socket_inside(const char* netns, int type, int protocol);

#endif
