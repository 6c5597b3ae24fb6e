/* Gives a process a stream of numbers in place of the kernel's randomness, so that a simulation
 * repeats bit for bit. Preloaded into simulations alone; never part of a node.
 *
 * The engine chooses peers to synchronise from with a generator seeded by the kernel, and the
 * standard library's hash maps iterate in an order that it seeds as well. Each thread has a
 * stream of its own (splitmix64 from a constant), so threads do not disturb each other.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>

static __thread uint64_t state = 0x5eed;

static uint64_t next(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    (void)flags;
    for (size_t done = 0; done < length;) {
        uint64_t word = next();
        size_t part = length - done < sizeof word ? length - done : sizeof word;
        memcpy((char *)buffer + done, &word, part);
        done += part;
    }
    return (ssize_t)length;
}

/* Some libraries ask the kernel directly. Everything else goes where it would have gone. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    if (number == SYS_getrandom) {
        return getrandom((void *)a, (size_t)b, (unsigned int)c);
    }
    if (!real) {
        real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    }
    return real(number, a, b, c, d, e, f);
}
