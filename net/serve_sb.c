/* Growable text (serve_sb.h). */
#include "net/serve_sb.h"

#include "replay/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void avj_sb_release(struct avj_sb *text)
{
    free(text->data);
    memset(text, 0, sizeof(*text));
}

void avj_sb_reset(struct avj_sb *text)
{
    text->len = 0;
    text->failed = false;
    if (text->data)
        text->data[0] = '\0';
}

static bool reserve(struct avj_sb *text, size_t more)
{
    if (text->failed || more >= SIZE_MAX / 4 - text->len) {
        text->failed = true;
        return false;
    }
    size_t need = text->len + more + 1;
    if (need <= text->cap)
        return true;
    size_t cap = text->cap ? text->cap : 256;
    while (cap < need)
        cap *= 2;
    char *data = realloc(text->data, cap);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->cap = cap;
    return true;
}

void avj_sb_bytes(struct avj_sb *text, const char *data, size_t len)
{
    if (!reserve(text, len))
        return;
    if (len)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void avj_sb_cstr(struct avj_sb *text, const char *data)
{
    avj_sb_bytes(text, data, strlen(data));
}

void avj_sb_printf(struct avj_sb *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        text->failed = true;
    else if (reserve(text, (size_t)len)) {
        (void)vsnprintf(text->data + text->len, (size_t)len + 1, format, again);
        text->len += (size_t)len;
    }
    va_end(again);
}

static void json_escape(struct avj_sb *text, unsigned char c)
{
    switch (c) {
    case '"':
        avj_sb_bytes(text, "\\\"", 2);
        break;
    case '\\':
        avj_sb_bytes(text, "\\\\", 2);
        break;
    case '\n':
        avj_sb_bytes(text, "\\n", 2);
        break;
    case '\r':
        avj_sb_bytes(text, "\\r", 2);
        break;
    case '\t':
        avj_sb_bytes(text, "\\t", 2);
        break;
    default:
        avj_sb_printf(text, "\\u%04x", (unsigned)c);
        break;
    }
}

void avj_sb_json(struct avj_sb *text, const char *data, size_t len)
{
    if (!reserve(text, len + 2))
        return;
    avj_sb_bytes(text, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        avj_sb_bytes(text, data + from, i - from);
        json_escape(text, c);
        from = i + 1;
    }
    avj_sb_bytes(text, data + from, len - from);
    avj_sb_bytes(text, "\"", 1);
}

void avj_sb_json_cstr(struct avj_sb *text, const char *data)
{
    avj_sb_json(text, data, strlen(data));
}

void avj_sb_json_time(struct avj_sb *text, int64_t ms)
{
    char time[AVJ_TIME_TEXT];
    avj_time_format(ms, time);
    avj_sb_json_cstr(text, time);
}
