/*
 * Status codes and error texts, shared by every part of the library.
 *
 * Every fallible function returns an `enum avj_status`: AVJ_OK (0), AVJ_END (1, "nothing more", not
 * an error) or a negative code.  Codes are pinned: a number is never reused for another meaning.
 * The optional `struct avj_error` carries one line saying what failed, where, and what to do;
 * callers wrap it outward ("open journal: segment 12: bad checksum at 4096").
 *
 * Threading: pure functions; an avj_error belongs to one thread.  Lifetime: plain values.
 */
#ifndef AVJ_STATUS_H
#define AVJ_STATUS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#if defined(__GNUC__)
#define AVJ_API          __attribute__((visibility("default")))
#define AVJ_CHECKED      __attribute__((warn_unused_result))
#define AVJ_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define AVJ_API
#define AVJ_CHECKED
#define AVJ_PRINTF(f, a)
#endif

/* Around the declarations of a public header, so that C++ takes them too.  (A function and a struct
 * may have one name, as with stat(): g++ -Wshadow need not complain.) */
#ifdef __cplusplus
#define AVJ_BEGIN_C                                                                                \
    extern "C" {                                                                                   \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wshadow\"")
#define AVJ_END_C                                                                                  \
    _Pragma("GCC diagnostic pop")                                                                  \
    }
#else
#define AVJ_BEGIN_C
#define AVJ_END_C
#endif

AVJ_BEGIN_C

/* name, value, short text, class: 'o' operating (try again may help), 'p' permanent, 'f' fatal for
 * the handle */
#define AVJ_STATUS_TABLE(X)                                                                        \
    X(AVJ_OK, 0, "ok", 'o')                                                                        \
    X(AVJ_END, 1, "no more", 'o')                                                                  \
    X(AVJ_ENOMEM, -1, "out of memory", 'o')                                                        \
    X(AVJ_EINVAL, -2, "invalid argument", 'p')                                                     \
    X(AVJ_EIO, -3, "input/output error", 'f')                                                      \
    X(AVJ_ENOSPC, -4, "no space left on the disk", 'o')                                            \
    X(AVJ_ECORRUPT, -5, "damaged data", 'p')                                                       \
    X(AVJ_ENOTJOURNAL, -6, "not a journal", 'p')                                                   \
    X(AVJ_EVERSION, -7, "format version not supported", 'p')                                       \
    X(AVJ_ELOCKED, -8, "locked by another process", 'o')                                           \
    X(AVJ_EREADONLY, -9, "read-only", 'p')                                                         \
    X(AVJ_ETOOBIG, -10, "too large", 'p')                                                          \
    X(AVJ_ENOTFOUND, -11, "not found", 'p')                                                        \
    X(AVJ_EEXIST, -12, "already exists", 'p')                                                      \
    X(AVJ_ESYNC, -13, "data could not be made durable", 'f')                                       \
    X(AVJ_EFORMAT, -14, "malformed input", 'p')                                                    \
    X(AVJ_ENET, -15, "network failure", 'o')                                                       \
    X(AVJ_EAUTH, -16, "not signed in", 'p')                                                        \
    X(AVJ_ERATE, -17, "rate limited", 'o')                                                         \
    X(AVJ_EREJECTED, -18, "rejected by the server", 'p')                                           \
    X(AVJ_EPROTO, -19, "unexpected answer", 'o')                                                   \
    X(AVJ_ETIMEOUT, -20, "timed out", 'o')                                                         \
    X(AVJ_EACCES, -21, "permission denied", 'p')                                                   \
    X(AVJ_EREFUSED, -22, "refused for safety", 'p')                                                \
    X(AVJ_EUNSYNCED, -23, "written, but not known to be durable", 'o')                             \
    X(AVJ_ECHANGED, -24, "others have appended since", 'o')

enum avj_status {
#define AVJ_X(name, value, text, class) name = value,
    AVJ_STATUS_TABLE(AVJ_X)
#undef AVJ_X
};

/* One line, no trailing newline, always NUL-terminated; truncated text ends in "...". */
struct avj_error {
    enum avj_status status;
    char message[480];
};

/* Short constant text for a status ("no space left on the disk"); "unknown status" for others.
 * Static storage. */
AVJ_API const char *avj_status_text(enum avj_status status);

/* True where trying the same call again later may succeed without anyone changing anything. */
AVJ_API bool avj_status_retryable(enum avj_status status);

/* True where the handle that returned it must be closed and opened again (a failed sync, a failed
 * disk). */
AVJ_API bool avj_status_fatal(enum avj_status status);

/* Fills *err (may be NULL) with status and the formatted line; returns status.  Use: `return
 * avj_fail(err, AVJ_EIO, ...)`. */
AVJ_API enum avj_status avj_fail(struct avj_error *err, enum avj_status status, const char *format,
                                 ...) AVJ_PRINTF(3, 4);

/* As avj_fail, but the status comes from an errno value and the text of it is appended: "FORMAT: No
 * such file". */
AVJ_API enum avj_status avj_fail_errno(struct avj_error *err, int errnum, const char *format, ...)
    AVJ_PRINTF(3, 4);

/* Puts "FORMAT: " before the message already in *err (may be NULL); returns err's status (AVJ_EIO
 * when err is NULL and so the status is not known: callers that need it keep their own copy). */
AVJ_API void avj_wrap(struct avj_error *err, const char *format, ...) AVJ_PRINTF(2, 3);

AVJ_END_C

#endif
