/* Status texts and the one-line errors: see status.h. */
#include "journal/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum avj_status status;
    const char *text;
    char class;
} table[] = {
#define AVJ_X(name, value, text, class) {name, text, class},
    AVJ_STATUS_TABLE(AVJ_X)
#undef AVJ_X
};

const char *avj_status_text(enum avj_status status)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].status == status)
            return table[i].text;
    return "unknown status";
}

static char status_class(enum avj_status status)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].status == status)
            return table[i].class;
    return 'p';
}

bool avj_status_retryable(enum avj_status status)
{
    return status < 0 && status_class(status) == 'o';
}

bool avj_status_fatal(enum avj_status status)
{
    return status < 0 && status_class(status) == 'f';
}

static void mark_truncated(struct avj_error *err, int wanted)
{
    if (wanted >= (int)sizeof(err->message))
        memcpy(err->message + sizeof(err->message) - 4, "...", 4);
}

enum avj_status avj_fail(struct avj_error *err, enum avj_status status, const char *format, ...)
{
    if (!err)
        return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    mark_truncated(err, vsnprintf(err->message, sizeof(err->message), format, args));
    va_end(args);
    return status;
}

static enum avj_status status_of_errno(int errnum)
{
    switch (errnum) {
    case ENOMEM:
        return AVJ_ENOMEM;
    case ENOSPC:
    case EDQUOT:
        return AVJ_ENOSPC;
    case EACCES:
    case EPERM:
        return AVJ_EACCES;
    case EROFS:
        return AVJ_EREADONLY;
    case ENOENT:
    case ENOTDIR:
        return AVJ_ENOTFOUND;
    case EEXIST:
        return AVJ_EEXIST;
    case EFBIG:
        return AVJ_ETOOBIG;
    default:
        return AVJ_EIO;
    }
}

enum avj_status avj_fail_errno(struct avj_error *err, int errnum, const char *format, ...)
{
    enum avj_status status = status_of_errno(errnum);
    if (!err)
        return status;
    char reason[96];
    char line[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    const char *text = strerror_r(errnum, reason, sizeof(reason));
    return avj_fail(err, status, "%s: %s", line, text);
}

void avj_wrap(struct avj_error *err, const char *format, ...)
{
    if (!err)
        return;
    char inner[sizeof(err->message)];
    char outer[sizeof(err->message)];
    memcpy(inner, err->message, sizeof(inner));
    va_list args;
    va_start(args, format);
    vsnprintf(outer, sizeof(outer), format, args);
    va_end(args);
    mark_truncated(err, snprintf(err->message, sizeof(err->message), "%s: %s", outer, inner));
}
