/* Fails chosen calls that change files below one directory, as a disk that is full, broken or read-only would.
 *
 * Preloaded (LD_PRELOAD) into a process, which it leaves alone until the file FEEDER_FAULTS, mapped by all, says
 * otherwise: see `Faults` in disk.py, which has the same fields in the same order. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    int64_t first, last; /* which calls fail, counted from 1; none if last is 0 */
    int64_t error;       /* with what */
    int64_t shortens;    /* the first of them, if it writes, writes a half before */
    int64_t calls;       /* that were made */
    int64_t refused;     /* of these */
    char below[1024];    /* a directory */
    char what[1024];     /* the first that was refused */
};

static struct control *control;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("FEEDER_FAULTS");
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = path ? real(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) control = found;
    close(file);
}

static void path_of(int directory, const char *name, char *path) {
    path[0] = 0;
    if (!name || name[0] != '/') {
        char link[64];
        snprintf(link, sizeof link, directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, path, PATH_MAX - 1);
        path[length > 0 ? length : 0] = 0;
    }
    if (name) {
        size_t length = strlen(path);
        snprintf(path + length, PATH_MAX - length, length ? "/%s" : "%s", name);
    }
}

/* Count a call; return the number of the error that it is to fail with, 0 for none, -1 to write a half. */
static int fate(const char *call, int directory, const char *name, int writes) {
    if (!control || !control->last) return 0;
    int before = errno;
    char path[PATH_MAX];
    path_of(directory, name, path);
    errno = before;
    if (strncmp(path, control->below, strlen(control->below))) return 0;
    int64_t number = __sync_add_and_fetch(&control->calls, 1);
    if (number < control->first || number > control->last) return 0;
    if (__sync_add_and_fetch(&control->refused, 1) == 1) {
        snprintf(control->what, sizeof control->what, "%s %.900s", call, path);
        if (control->shortens && writes) return -1;
    }
    return (int)control->error;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Make a call, unless it is to fail. */
#define CALL(name, parameters, arguments, directory, path)                    \
    int name parameters {                                                     \
        int error = fate(#name, directory, path, 0);                          \
        if (!error) return REAL(name) arguments;                              \
        errno = error;                                                        \
        return -1;                                                            \
    }

CALL(fsync, (int file), (file), file, NULL)
CALL(fdatasync, (int file), (file), file, NULL)
CALL(syncfs, (int file), (file), file, NULL)
CALL(ftruncate, (int file, off_t size), (file, size), file, NULL)
CALL(ftruncate64, (int file, off64_t size), (file, size), file, NULL)
CALL(fallocate, (int file, int mode, off_t start, off_t size), (file, mode, start, size), file, NULL)
CALL(mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
CALL(mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), at, path)
CALL(rmdir, (const char *path), (path), AT_FDCWD, path)
CALL(unlink, (const char *path), (path), AT_FDCWD, path)
CALL(unlinkat, (int at, const char *path, int flags), (at, path, flags), at, path)
CALL(rename, (const char *from, const char *to), (from, to), AT_FDCWD, to)
CALL(renameat, (int at, const char *from, int there, const char *to), (at, from, there, to), there, to)
CALL(link, (const char *from, const char *to), (from, to), AT_FDCWD, to)
CALL(linkat, (int at, const char *from, int there, const char *to, int flags), (at, from, there, to, flags), there, to)
CALL(symlink, (const char *to, const char *path), (to, path), AT_FDCWD, path)

/* Write, unless that is to fail; a disk that fills up takes a part of the last. */
#define WRITE(name, parameters, half, arguments)                              \
    ssize_t name parameters {                                                 \
        int error = fate(#name, file, NULL, size > 1);                        \
        if (!error) return REAL(name) arguments;                              \
        if (error < 0) return REAL(name) half;                                \
        errno = error;                                                        \
        return -1;                                                            \
    }

WRITE(write, (int file, const void *from, size_t size), (file, from, size / 2), (file, from, size))
WRITE(pwrite, (int file, const void *from, size_t size, off_t at), (file, from, size / 2, at), (file, from, size, at))
WRITE(pwrite64, (int file, const void *from, size_t size, off64_t at), (file, from, size / 2, at), (file, from, size, at))

ssize_t writev(int file, const struct iovec *parts, int count) {
    int error = fate("writev", file, NULL, 0);
    if (!error) return REAL(writev)(file, parts, count);
    errno = error;
    return -1;
}

/* To open a file is to change something only if it is to be written. */
#define OPEN(name, parameters, arguments, at)                                 \
    int name parameters {                                                     \
        mode_t mode = 0;                                                      \
        if (flags & (O_CREAT | O_TMPFILE)) {                                  \
            va_list rest;                                                     \
            va_start(rest, flags);                                            \
            mode = va_arg(rest, mode_t);                                      \
            va_end(rest);                                                     \
        }                                                                     \
        int changes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);   \
        int error = changes ? fate(#name, at, path, 0) : 0;                   \
        if (!error) return REAL(name) arguments;                              \
        errno = error;                                                        \
        return -1;                                                            \
    }

OPEN(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)
