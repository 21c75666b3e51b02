/*
 * UTF-8, and text made fit to show.  What a terminal would obey instead of showing (escape
 * sequences, C1 controls, bidirectional overrides) never reaches it from a title or a message.
 */
#include "net/cli.h"

#include <time.h>

size_t cli_utf8_next(const char *text, size_t len, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;

    if (len == 0)
        return 0;
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len)
        return 0;
    *code = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (p[i] & 0x3fu);
    }
    /* Overlong forms, surrogates, and what lies behind Unicode's end. */
    if (*code < least[n] || (*code >= 0xd800 && *code <= 0xdfff) || *code > 0x10ffff)
        return 0;
    return n;
}

bool cli_utf8_valid(const char *text, size_t len)
{
    uint32_t code;

    while (len) {
        size_t n = cli_utf8_next(text, len, &code);
        if (n == 0)
            return false;
        text += n;
        len -= n;
    }
    return true;
}

size_t cli_utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

static bool obeyed_by_terminals(uint32_t code)
{
    return (code >= 0x80 && code <= 0x9f) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f ||
           code == 0x2028 || code == 0x2029;
}

void cli_put_safe(FILE *out, const char *text, size_t len, bool newlines)
{
    uint32_t code;

    while (len) {
        size_t n = cli_utf8_next(text, len, &code);
        bool plain = n && (code >= 0x20 || (newlines && (code == '\n' || code == '\t')));
        if (n == 0 || obeyed_by_terminals(code)) {
            fputs("\xef\xbf\xbd", out);
            n = n ? n : 1;
        } else if (!plain || code == 0x7f) {
            fprintf(out, "^%c", (char)(code ^ 0x40));
        } else {
            fwrite(text, 1, n, out);
        }
        text += n;
        len -= n;
    }
}

void cli_put_escaped(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\t')
            fputs("\\t", out);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c == '\\')
            fputs("\\\\", out);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            putc(c, out);
    }
}

void cli_local_time(int64_t ms, char out[CLI_LOCAL_TIME])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    out[0] = 0;
    if (ms && localtime_r(&seconds, &tm) &&
        strftime(out, CLI_LOCAL_TIME, "%Y-%m-%d %H:%M", &tm) == 0)
        out[0] = 0;
}
