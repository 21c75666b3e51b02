/* Time texts and the hybrid logical clock: see clock.h. */
#include "replay/clock.h"

#include <stdio.h>

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar (months counted from March,
 * so that leap days come last). */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t m = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

struct scanner {
    const char *at, *end;
};

static bool number(struct scanner *s, int digits, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        if (s->at == s->end || *s->at < '0' || *s->at > '9')
            return false;
        *value = *value * 10 + (*s->at++ - '0');
    }
    return true;
}

static bool literal(struct scanner *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool fraction(struct scanner *s, int *ms)
{
    *ms = 0;
    if (!literal(s, '.'))
        return true;
    int digits = 0;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++, digits++)
        if (digits < 3)
            *ms = *ms * 10 + (*s->at - '0');
    for (int i = digits; i < 3; i++)
        *ms *= 10;
    return digits >= 1 && digits <= 9;
}

static bool zone(struct scanner *s, int *minutes)
{
    *minutes = 0;
    if (literal(s, 'Z') || literal(s, 'z'))
        return true;
    int sign = literal(s, '+') ? 1 : literal(s, '-') ? -1 : 0;
    int hours, rest;
    if (!sign || !number(s, 2, &hours))
        return false;
    literal(s, ':');
    if (!number(s, 2, &rest) || hours > 23 || rest > 59)
        return false;
    *minutes = sign * (hours * 60 + rest);
    return true;
}

/* The form in which this program and Appwrite write times, read without looking for another. */
static bool parse_usual(const char *text, int64_t *ms)
{
    static const char form[] = "0000-00-00T00:00:00.000+00:00";
    for (size_t i = 0; i < AVJ_TIME_TEXT - 1; i++)
        if (form[i] == '0' && i < 23 ? (unsigned char)(text[i] - '0') > 9 : text[i] != form[i])
            return false;
#define DIGIT(i) (text[i] - '0')
#define TWO(i)   (10 * DIGIT(i) + DIGIT((i) + 1))
    int month = TWO(5), day = TWO(8), hour = TWO(11), minute = TWO(14), second = TWO(17);
    if (month < 1 || month > 12 || day < 1 || day > 28 || hour > 23 || minute > 59 || second > 59)
        return false; /* or the end of a month: more is to be looked at */
    int64_t days = days_of(100 * TWO(0) + TWO(2), month, day);
    *ms = ((days * 24 + hour) * 60 + minute) * 60000 + second * 1000 + 10 * TWO(20) + DIGIT(22);
#undef TWO
#undef DIGIT
    return true;
}

bool avj_time_parse(const char *text, size_t len, int64_t *ms)
{
    if (len == AVJ_TIME_TEXT - 1 && parse_usual(text, ms))
        return true;
    struct scanner s = {text, text + len};
    int year, month, day, hour, minute, second, millis, offset;
    if (!number(&s, 4, &year) || !literal(&s, '-') || !number(&s, 2, &month) || !literal(&s, '-') ||
        !number(&s, 2, &day))
        return false;
    if (!literal(&s, 'T') && !literal(&s, ' '))
        return false;
    if (!number(&s, 2, &hour) || !literal(&s, ':') || !number(&s, 2, &minute) ||
        !literal(&s, ':') || !number(&s, 2, &second) || !fraction(&s, &millis) ||
        !zone(&s, &offset))
        return false;
    if (s.at != s.end || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    int y, m, d;
    int64_t days = days_of(year, month, day);
    date_of(days, &y, &m, &d);
    if (m != month || d != day) /* February 30th */
        return false;
    *ms = ((days * 24 + hour) * 60 + minute - offset) * 60000 + second * 1000 + millis;
    return true;
}

void avj_time_format(int64_t ms, char out[AVJ_TIME_TEXT])
{
    /* Years 0000 to 9999 are what the text can say. */
    const int64_t least = -62167219200000, most = 253402300799999;
    ms = ms < least ? least : ms > most ? most : ms;
    int64_t days = ms / 86400000;
    int64_t rest = ms % 86400000;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    int year, month, day;
    date_of(days, &year, &month, &day);
    int second = (int)(rest / 1000);
    snprintf(out, AVJ_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03u+00:00",
             (unsigned)year % 10000u, (unsigned)month % 100u, (unsigned)day % 100u,
             (unsigned)(second / 3600) % 100u, (unsigned)(second / 60 % 60),
             (unsigned)(second % 60), (unsigned)(rest % 1000));
}

uint64_t avj_hlc_next(uint64_t last, int64_t now_ms)
{
    uint64_t wall = (uint64_t)(now_ms > 0 ? now_ms : 0) << 16;
    return wall > last ? wall : last + 1;
}

int64_t avj_hlc_ms(uint64_t hlc)
{
    return (int64_t)(hlc >> 16);
}
