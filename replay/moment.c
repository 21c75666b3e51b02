/* Moments as people write them: see moment.h. */
#include "replay/moment.h"
#include "journal/io.h"
#include "replay/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(void)
{
    return avj_io_posix()->now_ms(avj_io_posix()->ctx);
}

/* "-90m": a number and s, m, h, d or w. */
static bool take_ago(const char *text, int64_t *ms)
{
    static const struct {
        char letter;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
    char *end;

    if (text[0] != '-' || text[1] < '0' || text[1] > '9')
        return false;
    errno = 0;
    long count = strtol(text + 1, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (*end != units[i].letter || end[1] || errno || count > INT64_MAX / units[i].ms)
            continue;
        int64_t now = now_ms();
        *ms = count * units[i].ms < now ? now - count * units[i].ms : 1;
        return true;
    }
    return false;
}

/* A date, or a date and a time of day, in local time. */
static bool take_local(const char *text, int64_t *ms)
{
    static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S",
                                          "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"};

    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, formats[i], &tm);
        if (!end || *end)
            continue;
        struct tm asked = tm;
        time_t seconds = mktime(&tm);
        /* mktime() makes March 3 of February 31. */
        if (seconds <= 0 || tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon)
            return false;
        *ms = (int64_t)seconds * 1000;
        return true;
    }
    return false;
}

bool avj_moment_parse(const char *text, int64_t *ms)
{
    return take_ago(text, ms) || take_local(text, ms) ||
           (avj_time_parse(text, strlen(text), ms) && *ms > 0);
}
